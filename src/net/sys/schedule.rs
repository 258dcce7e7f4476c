//! How the scheduler treats a thread: sched_setattr(2).

/// The shortest turn that the kernel gives, in nanoseconds.
const SHORTEST: u64 = 100_000;

/// This thread gets short turns from now on, and these soon after it wakes, however busy the processors are: about one of them
/// instead of one of everybody's (Linux 6.12; before that nothing changes). A thread that has a policy of its own keeps it.
pub fn take_short_turns() {
    let Some(mut attributes) = attributes().filter(|one| one.sched_policy == libc::SCHED_OTHER as u32) else { return };
    attributes.sched_runtime = SHORTEST;
    // SAFETY: sched_setattr(2): "attr … is a pointer to a structure that defines the new scheduling policy and attributes", which
    // lives through the call and has its size in it; 0 is this thread.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// Those of this thread.
fn attributes() -> Option<libc::sched_attr> {
    let size = size_of::<libc::sched_attr>() as u32;
    let mut attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: sched_getattr(2): "size … should be set to the size of the sched_attr structure as known to user space"; it is that
    // of the structure pointed to, which lives through the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    (result == 0).then_some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_short_where_the_kernel_lets_a_thread_choose_and_nothing_else_changes() {
        let look = || {
            let before = attributes().unwrap();
            take_short_turns();
            (before, attributes().unwrap())
        };
        // On a thread of its own, which ends with what it was given.
        let (before, after) = std::thread::spawn(look).join().unwrap();
        let of = |one: &libc::sched_attr| (one.sched_policy, one.sched_nice, one.sched_flags);
        assert_eq!(of(&before), of(&after));
        // Older kernels show no turns of ordinary threads.
        assert!(before.sched_runtime == 0 || after.sched_runtime == SHORTEST, "{}", after.sched_runtime);
    }
}
