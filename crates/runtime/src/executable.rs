//! Machine code that was made at run time.
//!
//! Pages are written first and made executable afterwards: none is ever both.

/// Pages of machine code, given back when nobody holds them.
pub struct Executable {
    start: *mut u8,
    /// Bytes that were mapped.
    length: usize,
}

// SAFETY: nobody writes the pages
unsafe impl Send for Executable {}
// SAFETY: as above
unsafe impl Sync for Executable {}

impl Executable {
    /// Pages that begin with `code`; none where the system gives none that can be executed, and on
    /// processors that have to be told of new code.
    pub fn new(code: &[u8]) -> Option<Self> {
        #[cfg(all(unix, target_arch = "x86_64"))]
        return map(code);
        #[cfg(not(all(unix, target_arch = "x86_64")))]
        {
            let _ = code;
            None
        }
    }

    /// Where the code begins.
    pub fn start(&self) -> *const u8 {
        self.start
    }
}

#[cfg(all(unix, target_arch = "x86_64"))]
fn map(code: &[u8]) -> Option<Executable> {
    let length = code.len().max(1);
    // SAFETY: an anonymous private mapping at an address of the system's choice touches nothing
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    // gives the pages back when they cannot be executed
    let pages = Executable {
        start: start.cast(),
        length,
    };
    // SAFETY: fresh pages have room for the code
    unsafe {
        pages
            .start
            .copy_from_nonoverlapping(code.as_ptr(), code.len())
    };
    // SAFETY: the pages are ours, and nobody writes them from here on
    let refused = unsafe { libc::mprotect(start, length, libc::PROT_READ | libc::PROT_EXEC) };
    (refused == 0).then_some(pages)
}

impl Drop for Executable {
    fn drop(&mut self) {
        // SAFETY: mapped with this length, and whoever runs the code holds the pages
        #[cfg(unix)]
        unsafe {
            libc::munmap(self.start.cast(), self.length)
        };
    }
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::Executable;

    /// `mov eax, edi; add eax, 1; ret`.
    const SUCCESSOR: [u8; 6] = [0x89, 0xf8, 0x83, 0xc0, 0x01, 0xc3];

    #[test]
    fn code_runs_from_pages_that_nobody_can_write() {
        let pages = Executable::new(&SUCCESSOR).unwrap();
        // SAFETY: the code is such a function
        let successor: extern "C" fn(u32) -> u32 = unsafe { std::mem::transmute(pages.start()) };
        assert_eq!(successor(41), 42);
        let start = format!("{:x}-", pages.start() as usize);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|line| line.starts_with(&start)).unwrap();
        assert_eq!(line.split(' ').nth(1), Some("r-xp"), "{line}");
    }
}
