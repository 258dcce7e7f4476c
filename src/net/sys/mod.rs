//! Every `unsafe` and every `libc` name of the library: one file per kernel interface, safe signatures out.

#![allow(unsafe_code)]

pub mod address;
pub mod addrinfo;
#[cfg(feature = "exporter")]
pub mod allocator;
#[cfg(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
pub mod calls;
pub mod clock;
pub mod cmsg;
pub mod fault;
pub mod filter;
pub mod interface;
pub mod message;
pub mod option;
pub mod process;
#[cfg(feature = "exporter")]
pub mod schedule;
pub mod signal;
pub mod tstamp;
