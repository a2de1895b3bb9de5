//! Peers that are shared libraries, opened when asked for.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use libloading::Library;

use super::Engine;

/// Bytes of the fixed pools of libgcrypt and OpenSSL: all that an ordinary user may lock.
const POOL: usize = 8 << 20;

/// Opens the first of these names that is installed.
pub(super) fn open(names: &[&str], package: &str) -> Result<Library, String> {
    for name in names {
        // SAFETY: the initialisers of well-known system libraries.
        if let Ok(library) = unsafe { Library::new(*name) } {
            return Ok(library);
        }
    }
    Err(format!("not installed: apt install {package}"))
}

/// A function of it.
///
/// # Safety
/// `T` is the function's type, and the library stays open as long as it is called.
pub(super) unsafe fn symbol<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: the caller vouches for the type.
    let found = unsafe { library.get::<T>(name) };
    found
        .map(|symbol| *symbol)
        .map_err(|error| error.to_string())
}

type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);

/// libsodium: pages, guards and locks for each secret.
pub(super) struct Sodium {
    malloc: Malloc,
    free: Free,
    _library: Library,
}

impl Sodium {
    pub(super) fn open() -> Result<Self, String> {
        let library = open(&["libsodium.so.26", "libsodium.so.23"], "libsodium23")?;
        // SAFETY: int sodium_init(void).
        let init: unsafe extern "C" fn() -> c_int = unsafe { symbol(&library, "sodium_init") }?;
        // SAFETY: may be called at any time, and any number of times.
        if unsafe { init() } < 0 {
            return Err("sodium_init failed".to_owned());
        }
        Ok(Self {
            // SAFETY: void *sodium_malloc(size_t).
            malloc: unsafe { symbol(&library, "sodium_malloc") }?,
            // SAFETY: void sodium_free(void *).
            free: unsafe { symbol(&library, "sodium_free") }?,
            _library: library,
        })
    }
}

impl Engine for Sodium {
    fn is_a_page_each(&self) -> bool {
        true
    }

    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: any size.
        NonNull::new(unsafe { (self.malloc)(size) }.cast())
    }

    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        // SAFETY: lent by sodium_malloc; sodium_free wipes.
        unsafe { (self.free)(at.as_ptr().cast()) };
    }
}

/// libgcrypt's pool of secure memory.
pub(super) struct Gcrypt {
    malloc: Malloc,
    free: Free,
    _library: Library,
}

/// GCRYCTL_INIT_SECMEM, GCRYCTL_INITIALIZATION_FINISHED, GCRYCTL_DISABLE_SECMEM_WARN in gcrypt.h.
const INIT_SECMEM: c_int = 24;
const FINISHED: c_int = 38;

impl Gcrypt {
    pub(super) fn open() -> Result<Self, String> {
        let library = open(&["libgcrypt.so.20"], "libgcrypt20")?;
        // SAFETY: const char *gcry_check_version(const char *).
        let version: unsafe extern "C" fn(*const u8) -> *const u8 =
            unsafe { symbol(&library, "gcry_check_version") }?;
        // SAFETY: gcry_error_t gcry_control(enum gcry_ctl_cmds, ...).
        let control: unsafe extern "C" fn(c_int, ...) -> u32 =
            unsafe { symbol(&library, "gcry_control") }?;
        // SAFETY: a null pointer asks for no version in particular.
        unsafe { version(std::ptr::null()) };
        // SAFETY: one argument, the size, as an unsigned int.
        let pool = unsafe { control(INIT_SECMEM, POOL, 0_usize) };
        // SAFETY: the last step of initialisation.
        unsafe { control(FINISHED, 0_usize) };
        if pool != 0 {
            return Err("it could not lock its pool".to_owned());
        }
        Ok(Self {
            // SAFETY: void *gcry_malloc_secure(size_t).
            malloc: unsafe { symbol(&library, "gcry_malloc_secure") }?,
            // SAFETY: void gcry_free(void *).
            free: unsafe { symbol(&library, "gcry_free") }?,
            _library: library,
        })
    }
}

impl Engine for Gcrypt {
    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: any size.
        NonNull::new(unsafe { (self.malloc)(size) }.cast())
    }

    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        // SAFETY: lent by gcry_malloc_secure; gcry_free wipes secure memory.
        unsafe { (self.free)(at.as_ptr().cast()) };
    }
}

/// OpenSSL's secure heap.
pub(super) struct OpenSsl {
    malloc: unsafe extern "C" fn(usize, *const u8, c_int) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, usize, *const u8, c_int),
    _library: Library,
}

impl OpenSsl {
    pub(super) fn open() -> Result<Self, String> {
        let library = open(&["libcrypto.so.3"], "libssl3")?;
        // SAFETY: int CRYPTO_secure_malloc_init(size_t size, size_t minsize).
        let init: unsafe extern "C" fn(usize, usize) -> c_int =
            unsafe { symbol(&library, "CRYPTO_secure_malloc_init") }?;
        // SAFETY: called once. 1: a locked pool, 2: a pool that is not locked, 0: none.
        if unsafe { init(POOL, 16) } != 1 {
            return Err("it could not lock its pool".to_owned());
        }
        Ok(Self {
            // SAFETY: void *CRYPTO_secure_malloc(size_t, const char *, int).
            malloc: unsafe { symbol(&library, "CRYPTO_secure_malloc") }?,
            // SAFETY: void CRYPTO_secure_clear_free(void *, size_t, const char *, int).
            free: unsafe { symbol(&library, "CRYPTO_secure_clear_free") }?,
            _library: library,
        })
    }
}

impl Engine for OpenSsl {
    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: any size; the file name is for debugging and may be null.
        NonNull::new(unsafe { (self.malloc)(size, std::ptr::null(), 0) }.cast())
    }

    unsafe fn free(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: lent by CRYPTO_secure_malloc for `size` bytes.
        unsafe { (self.free)(at.as_ptr().cast(), size, std::ptr::null(), 0) };
    }
}

/// Botan's allocator behind `secure_vector`: a locked pool for up to 256 bytes, and ordinary memory
/// beyond that, or when the pool is full. Its C++ names are those of the 64-bit System V interface.
pub(super) struct Botan {
    allocate: unsafe extern "C" fn(usize, usize) -> *mut c_void,
    deallocate: unsafe extern "C" fn(*mut c_void, usize, usize),
    _library: Library,
}

impl Botan {
    pub(super) fn open() -> Result<Self, String> {
        let library = open(&["libbotan-2.so.19"], "libbotan-2-19")?;
        Ok(Self {
            // SAFETY: void *Botan::allocate_memory(size_t elems, size_t elem_size).
            allocate: unsafe { symbol(&library, "_ZN5Botan15allocate_memoryEmm") }?,
            // SAFETY: void Botan::deallocate_memory(void *, size_t elems, size_t elem_size).
            deallocate: unsafe { symbol(&library, "_ZN5Botan17deallocate_memoryEPvmm") }?,
            _library: library,
        })
    }
}

impl Engine for Botan {
    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: any size but 0; without memory it throws, which ends the program.
        NonNull::new(unsafe { (self.allocate)(size, 1) }.cast())
    }

    unsafe fn free(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: lent by allocate_memory for `size` elements of 1; it wipes.
        unsafe { (self.deallocate)(at.as_ptr().cast(), size, 1) };
    }
}
