//! The allocator of the C library: mallopt(3).

/// Keeps little of what was freed. Blocks of 128 KiB and more go back to the system: unless told so, the allocator takes one that was
/// freed for a sign of more to come. And threads share two arenas: else each of those that come and go leaves one of its own.
#[cfg(target_env = "gnu")]
pub fn keep_little() {
    const LARGE: libc::c_int = 128 << 10;
    const ARENAS: libc::c_int = 2;
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, LARGE), (libc::M_ARENA_MAX, ARENAS)] {
        // SAFETY: mallopt(3): "adjusts parameters that control the behavior of the memory-allocation functions"; integers only.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators do so anyway, or cannot be told.
#[cfg(not(target_env = "gnu"))]
pub fn keep_little() {}
