// SPDX-License-Identifier: Apache-2.0
// Rust, whose standard library has no frame pointers: plain calls, a boxed closure, a thread, and a
// panic on its way. What it says is told in unwind_case.h.
use std::hint::black_box;
use std::io::{stdin, stdout, Read, Write};

const FROM_MAIN: &str = "unwind_rust::main * main <libc.so.6> _start [end]";

// The names of the allocator's own frames depend on the version.
#[inline(never)]
#[no_mangle]
fn rust_leaf(size: usize) {
    std::mem::forget(black_box(Vec::<u8>::with_capacity(black_box(size))));
}

#[inline(never)]
#[no_mangle]
fn rust_middle(size: usize) {
    black_box([0u8; 300]);
    rust_leaf(size);
    black_box(());
}

#[inline(never)]
#[no_mangle]
fn case_plain(size: usize) {
    rust_middle(size);
    black_box(());
}

#[inline(never)]
#[no_mangle]
fn case_closure(size: usize) {
    let add = black_box(1usize);
    let closure: Box<dyn Fn(usize)> = black_box(Box::new(move |n| {
        rust_leaf(n + add - 1);
        black_box(());
    }));
    closure(size);
    black_box(());
}

#[inline(never)]
#[no_mangle]
fn rust_thread_body(size: usize) {
    black_box([1u8; 100]); // or it is the same code as case_plain, and one of them goes
    rust_middle(size);
    black_box(());
}

#[inline(never)]
#[no_mangle]
fn case_thread(size: usize) {
    std::thread::spawn(move || rust_thread_body(size))
        .join()
        .unwrap();
}

struct Guard(usize);

impl Drop for Guard {
    #[inline(never)]
    fn drop(&mut self) {
        rust_leaf(self.0);
        black_box(());
    }
}

#[inline(never)]
#[no_mangle]
fn rust_panics(size: usize) {
    let _guard = Guard(size);
    if black_box(true) {
        std::panic::resume_unwind(Box::new(1)); // without the message
    }
}

#[inline(never)]
#[no_mangle]
fn case_panic(size: usize) {
    let _ = std::panic::catch_unwind(|| rust_panics(size));
    black_box(());
}

fn wait_for_line() {
    let mut byte = [0u8; 1];
    while let Ok(1) = stdin().lock().read(&mut byte) {
        if byte[0] == b'\n' {
            break;
        }
    }
}

fn main() {
    println!("expect rust size=22001: *rust_leaf *rust_middle *case_plain {FROM_MAIN}");
    println!("expect rust-closure size=22002: *rust_leaf * *case_closure {FROM_MAIN}");
    println!(
        "expect rust-thread size=22003: *rust_leaf *rust_middle *rust_thread_body * <libc.so.6> [end]"
    );
    println!("expect rust-panic size=22004: *rust_leaf * *rust_panics * *case_panic {FROM_MAIN}");
    println!("ready {}", std::process::id());
    stdout().flush().unwrap();
    wait_for_line();
    case_plain(22001);
    case_closure(22002);
    case_thread(22003);
    case_panic(22004);
    println!("done");
    stdout().flush().unwrap();
    wait_for_line();
    std::process::exit(0);
}
