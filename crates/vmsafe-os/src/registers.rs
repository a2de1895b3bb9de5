//! The registers that ciphers leave full.

/// Zeroes the vector registers, where a block cipher keeps its key and its plaintext.
///
/// They would otherwise go to the stack with the next signal frame, and into any core dump, which
/// keeps registers even where every mapping is left out.
///
/// Registers that a function must hand back as it found them (xmm6-15 on Windows, the low halves
/// of v8-15 on AArch64) are handed back here too: a cipher that has returned left nothing of its
/// own in them.
#[inline]
pub fn clear_vectors() {
    clear();
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn clear() {
    use std::arch::{asm, is_x86_feature_detected};

    if is_x86_feature_detected!("avx512f") {
        // SAFETY: AVX-512F is there. vzeroall zeroes zmm0-15 whole; the others one by one. All are
        // declared as overwritten.
        unsafe {
            asm!(
                "vzeroall",
                "vpxord zmm16, zmm16, zmm16", "vpxord zmm17, zmm17, zmm17",
                "vpxord zmm18, zmm18, zmm18", "vpxord zmm19, zmm19, zmm19",
                "vpxord zmm20, zmm20, zmm20", "vpxord zmm21, zmm21, zmm21",
                "vpxord zmm22, zmm22, zmm22", "vpxord zmm23, zmm23, zmm23",
                "vpxord zmm24, zmm24, zmm24", "vpxord zmm25, zmm25, zmm25",
                "vpxord zmm26, zmm26, zmm26", "vpxord zmm27, zmm27, zmm27",
                "vpxord zmm28, zmm28, zmm28", "vpxord zmm29, zmm29, zmm29",
                "vpxord zmm30, zmm30, zmm30", "vpxord zmm31, zmm31, zmm31",
                out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _,
                out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _,
                out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
                out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _,
                out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _,
                out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
                out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _,
                out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
                options(nomem, nostack, preserves_flags)
            );
        }
    } else if is_x86_feature_detected!("avx") {
        // SAFETY: AVX is there; vzeroall zeroes ymm0-15, all declared as overwritten.
        unsafe {
            asm!(
                "vzeroall",
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
                out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                options(nomem, nostack, preserves_flags)
            );
        }
    } else {
        clear_sse();
    }
}

#[cfg(target_arch = "x86_64")]
fn clear_sse() {
    // SAFETY: SSE2 is part of x86-64; xorps zeroes xmm0-15, all declared as overwritten.
    unsafe {
        std::arch::asm!(
            "xorps xmm0, xmm0", "xorps xmm1, xmm1", "xorps xmm2, xmm2", "xorps xmm3, xmm3",
            "xorps xmm4, xmm4", "xorps xmm5, xmm5", "xorps xmm6, xmm6", "xorps xmm7, xmm7",
            "xorps xmm8, xmm8", "xorps xmm9, xmm9", "xorps xmm10, xmm10", "xorps xmm11, xmm11",
            "xorps xmm12, xmm12", "xorps xmm13, xmm13", "xorps xmm14, xmm14",
            "xorps xmm15, xmm15",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nomem, nostack, preserves_flags)
        );
    }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn clear() {
    // SAFETY: Advanced SIMD is part of AArch64; all 32 registers are declared as overwritten.
    unsafe {
        std::arch::asm!(
            "movi v0.16b, #0", "movi v1.16b, #0", "movi v2.16b, #0", "movi v3.16b, #0",
            "movi v4.16b, #0", "movi v5.16b, #0", "movi v6.16b, #0", "movi v7.16b, #0",
            "movi v8.16b, #0", "movi v9.16b, #0", "movi v10.16b, #0", "movi v11.16b, #0",
            "movi v12.16b, #0", "movi v13.16b, #0", "movi v14.16b, #0", "movi v15.16b, #0",
            "movi v16.16b, #0", "movi v17.16b, #0", "movi v18.16b, #0", "movi v19.16b, #0",
            "movi v20.16b, #0", "movi v21.16b, #0", "movi v22.16b, #0", "movi v23.16b, #0",
            "movi v24.16b, #0", "movi v25.16b, #0", "movi v26.16b, #0", "movi v27.16b, #0",
            "movi v28.16b, #0", "movi v29.16b, #0", "movi v30.16b, #0", "movi v31.16b, #0",
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _,
            out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _,
            out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _,
            out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nomem, nostack, preserves_flags)
        );
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn clear() {}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::arch::asm;

    use super::*;

    extern "C" fn cleared() {
        clear_vectors();
    }

    extern "C" fn kept() {}

    /// What stands in xmm5 after `between` when `before` stood there. No convention preserves it.
    fn through(between: extern "C" fn(), before: u128) -> u128 {
        let mut after = !before;
        // SAFETY: loads and stores 16 bytes at the two variables; the call follows the C
        // convention, whose clobbers are declared, with the stack aligned (no `nostack`).
        unsafe {
            asm!(
                "movdqu xmm5, [{before}]",
                "call {between}",
                "movdqu [r12], xmm5",
                before = in(reg) &raw const before,
                between = in(reg) between,
                in("r12") &raw mut after,
                clobber_abi("C"),
            );
        }
        after
    }

    #[test]
    fn the_registers_are_zero_afterwards() {
        let canary = 0xA5A5_5A5A_1234_5678_9ABC_DEF0_0FED_CBA9;
        assert_eq!(through(kept, canary), canary, "the control");
        assert_eq!(through(cleared, canary), 0);
    }
}
