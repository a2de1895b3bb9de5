//! Checks `p · q = n` without big-number arithmetic, and so without a trace of p and q in memory.

/// Two primes just below 2^63 and 2^62: a false equality passes both with a chance of 2^-125 at
/// most for numbers that were not made to fool this check.
const PRIMES: [u128; 2] = [(1 << 63) - 25, (1 << 62) - 57];

/// Whether the product of the factors is this one. All are big-endian.
pub(crate) fn is_product(factors: &[&[u8]], product: &[u8]) -> bool {
    let len = strip(product).len();
    let longest: usize = factors.iter().map(|factor| strip(factor).len()).sum();
    // A product is as long as its factors together, or shorter by a byte for each but the first.
    let is_long_enough = len <= longest && len + factors.len() > longest;
    is_long_enough
        && PRIMES.iter().all(|&prime| {
            let times = |so_far, factor: &&[u8]| so_far * residue(factor, prime) % prime;
            factors.iter().fold(1, times) == residue(product, prime)
        })
}

/// `number` without leading zeros.
pub(super) fn strip(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn residue(number: &[u8], prime: u128) -> u128 {
    let step = |rest, byte: &u8| (rest << 8 | u128::from(*byte)) % prime;
    number.iter().fold(0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_products_from_others() {
        let one = [0xc5, 0x11, 0x7f];
        let other = [0x00, 0xe1, 0xb3, 0x5d, 0x01];
        let product = u64::from_be_bytes([0, 0, 0, 0, 0, 0xc5, 0x11, 0x7f])
            * u64::from_be_bytes([0, 0, 0, 0, 0xe1, 0xb3, 0x5d, 0x01]);
        assert!(is_product(&[&one, &other], &product.to_be_bytes()));
        assert!(is_product(&[&other, &one], &product.to_be_bytes()));
        assert!(!is_product(&[&one, &other], &(product + 2).to_be_bytes()));
        assert!(!is_product(
            &[&[1], &other],
            &[other.as_slice(), &[0; 4]].concat()
        ));
        let third = [0x9d];
        let longer = (u128::from(product) * 0x9d).to_be_bytes();
        assert!(is_product(&[&one, &other, &third], &longer));
        assert!(!is_product(&[&one, &other], &longer));
    }

    #[test]
    fn the_moduli_are_prime() {
        // Fermat's test to a few bases; both are known primes.
        for prime in PRIMES {
            for base in [2_u128, 3, 5, 7, 11] {
                let (mut power, mut square, mut left) = (1, base, prime - 1);
                while left > 0 {
                    if left & 1 == 1 {
                        power = power * square % prime;
                    }
                    square = square * square % prime;
                    left >>= 1;
                }
                assert_eq!(power, 1, "{prime}");
            }
        }
    }
}
