// SPDX-License-Identifier: Apache-2.0
// Rust's allocations, by the system's allocator or, with --cfg jemalloc, by jemalloc as Rust's
// jemalloc crate calls it. What it says is told in allocator_family.c.
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;

#[cfg(jemalloc)]
mod jemalloc {
    use std::alloc::{GlobalAlloc, Layout};
    use std::ffi::c_int;

    extern "C" {
        fn _rjem_malloc(size: usize) -> *mut u8;
        fn _rjem_mallocx(size: usize, flags: c_int) -> *mut u8;
        fn _rjem_calloc(number: usize, size: usize) -> *mut u8;
        fn _rjem_rallocx(block: *mut u8, size: usize, flags: c_int) -> *mut u8;
        fn _rjem_sdallocx(block: *mut u8, size: usize, flags: c_int);
    }

    /// No flag for the alignment that every block has.
    fn flags(layout: Layout) -> c_int {
        if layout.align() <= 16 {
            0
        } else {
            layout.align().trailing_zeros() as c_int
        }
    }

    pub struct Jemalloc;
    unsafe impl GlobalAlloc for Jemalloc {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            match flags(layout) {
                0 => _rjem_malloc(layout.size()),
                flags => _rjem_mallocx(layout.size(), flags),
            }
        }
        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            match flags(layout) {
                0 => _rjem_calloc(1, layout.size()),
                flags => _rjem_mallocx(layout.size(), flags | 0x40),
            }
        }
        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            _rjem_rallocx(block, size, flags(layout))
        }
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            _rjem_sdallocx(block, layout.size(), flags(layout))
        }
    }
    #[global_allocator]
    static ALLOCATOR: Jemalloc = Jemalloc;
}

#[repr(align(256))]
#[allow(dead_code)]
struct Wide([u8; 512]);

#[derive(Default)]
struct Ledger {
    bytes: usize,
    count: usize,
}

impl Ledger {
    fn keep_third<T: ?Sized>(&mut self, i: usize, value: Box<T>) {
        let value = std::hint::black_box(value); // else the compiler leaves it out
        if i % 3 == 0 {
            self.bytes += std::mem::size_of_val(&*value);
            self.count += 1;
            std::mem::forget(value);
        }
    }
}

fn wait_for_line(input: &mut File) {
    let mut byte = [0u8; 1];
    while matches!(input.read(&mut byte), Ok(1)) && byte[0] != b'\n' {}
}

fn main() {
    let mut input = unsafe { File::from_raw_fd(0) };
    println!("ready {}", std::process::id());
    wait_for_line(&mut input);
    let mut ledger = Ledger::default();
    for i in 0..300 {
        let size = i * 37 % 9000 + 1;
        let mut grown = Vec::with_capacity(3);
        for at in 0..size {
            grown.push(at as u8); // grows, and is cut to size in the end
        }
        ledger.keep_third(i, grown.into_boxed_slice());
        ledger.keep_third(i, vec![0u8; size].into_boxed_slice());
        ledger.keep_third(i, vec![7u8; size].into_boxed_slice());
        ledger.keep_third(i, Box::new(Wide([1; 512])));
        ledger.keep_third(i, "a string that is copied".to_string().into_boxed_str());
    }
    print!("heap {} {}\ndone\n", ledger.bytes, ledger.count);
    std::io::stdout().flush().unwrap();
    wait_for_line(&mut input);
}
