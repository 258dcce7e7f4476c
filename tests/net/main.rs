//! The kernel side of the seam on the real kernel. Each test runs in a network namespace of its own, made by unshare(1): as root,
//! or without privileges where user namespaces are allowed. Where neither is, a test fails and says so.

mod allocations;
mod batches;
mod connections;
mod interfaces;
mod listeners;
mod namespace;
mod orders;
mod result_file;
mod run;
mod sockets;
mod stamps;
mod system;
