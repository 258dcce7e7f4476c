//! The allocator of the C library: mallopt(3).

/// Blocks of 128 KiB and more go back to the system when they are freed. Unless told so, the allocator takes one that was freed for
/// a sign of more to come, and keeps as much for each thread that had one.
#[cfg(target_env = "gnu")]
pub fn return_large_blocks() {
    const LARGE: libc::c_int = 128 << 10;
    // SAFETY: mallopt(3): "adjusts parameters that control the behavior of the memory-allocation functions"; integers only.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}

/// Other allocators do so anyway, or cannot be told.
#[cfg(not(target_env = "gnu"))]
pub fn return_large_blocks() {}
