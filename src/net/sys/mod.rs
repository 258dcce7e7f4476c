//! Every `unsafe` and every `libc` name of the library: one file per kernel interface, safe signatures out.

#![allow(unsafe_code)]

pub mod address;
pub mod addrinfo;
pub mod clock;
pub mod cmsg;
pub mod filter;
pub mod interface;
pub mod message;
pub mod option;
pub mod process;
pub mod signal;
pub mod tstamp;
