//! The system calls that probing needs, syscalls(2), and the filter that allows no others, seccomp(2): [`confine`].

use std::io;

use socket2::SockFilter;

use super::filter::{JUMP_AT_LEAST, JUMP_EQUAL, RETURN, instruction, jump};
use crate::channel::OsError;

/// From now on this thread, and those it starts, can make no other system calls: they fail as from a kernel that has no such
/// call, for which C libraries have another way. Needs no_new_privs.
///
/// The kernel runs the program once for each system call there is and remembers which are allowed whatever their arguments, so
/// that these cost nothing. It is short because that takes time: a search in ranges of numbers instead of one comparison each.
///
/// # Errors
/// If the kernel refuses.
pub fn confine() -> Result<(), OsError> {
    let program = program();
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| OsError::EINVAL)?,
        // A SockFilter is a `struct sock_filter` and nothing else.
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: PR_SET_SECCOMP(2const): "SECCOMP_MODE_FILTER … args … is a pointer to a struct sock_fprog", which names as many
    // instructions as are borrowed until the call returns; they are copied.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error().into()) }
}

/// A system call's number.
type Number = libc::c_long;

/// Allowed with any arguments.
const ALLOWED: &[&[Number]] = &[
    // Packets, connections, and what is asked of sockets. Without privileges none of them opens a raw socket.
    &[
        libc::SYS_sendmmsg,
        libc::SYS_recvmmsg,
        libc::SYS_sendmsg,
        libc::SYS_recvmsg,
        libc::SYS_sendto,
        libc::SYS_recvfrom,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_accept4,
        // Over a pair, one thread of the process wakes another.
        libc::SYS_socketpair,
        libc::SYS_shutdown,
        libc::SYS_getsockname,
        libc::SYS_getpeername,
        libc::SYS_getsockopt,
        libc::SYS_setsockopt,
        libc::SYS_ioctl,
    ],
    // Waiting, and reading signals.
    &[
        libc::SYS_epoll_create1,
        libc::SYS_epoll_ctl,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        libc::SYS_timerfd_create,
        libc::SYS_timerfd_settime,
        libc::SYS_eventfd2,
        libc::SYS_signalfd4,
        libc::SYS_ppoll,
        libc::SYS_clock_nanosleep,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigpending,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        // raise(3) and abort(3); no other process of another user can be reached.
        libc::SYS_tgkill,
    ],
    // Standard streams, lists that were opened before, and the files of the system's resolver, its modules among them.
    &[
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_pwritev2,
        libc::SYS_pread64,
        libc::SYS_lseek,
        // The oldest part of a recording makes room for the newest.
        libc::SYS_ftruncate,
        libc::SYS_close,
        libc::SYS_fcntl,
        libc::SYS_openat,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_readlinkat,
    ],
    // The path of a local socket, when its listener ends.
    &[libc::SYS_unlinkat],
    // A file of results takes the place of the one before.
    &[libc::SYS_renameat, libc::SYS_renameat2],
    // Memory and threads.
    &[
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_prlimit64,
    ],
    // What the process asks about itself and the time.
    &[
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getegid,
        libc::SYS_getrandom,
        libc::SYS_uname,
        libc::SYS_clock_gettime,
        libc::SYS_gettimeofday,
        libc::SYS_clock_adjtime,
    ],
    OLD,
];

/// What only older architectures have, as C libraries still call them.
#[cfg(target_arch = "x86_64")]
const OLD: &[Number] = &[
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Number] = &[];

/// Allowed if the lower half of this argument, masked, is one of these values: (call, argument, mask, values).
const ALLOWED_WITH: [(Number, u8, u32, &[u32]); 3] = [
    // Threads, not processes. clone3(2), whose flags a filter cannot see, seems not to exist; C libraries use this one then.
    (libc::SYS_clone, 0, libc::CLONE_THREAD as u32, &[libc::CLONE_THREAD as u32]),
    // Probes, and the resolver: it asks for addresses over netlink, and for names over local sockets.
    (
        libc::SYS_socket,
        0,
        u32::MAX,
        &[libc::AF_INET as u32, libc::AF_INET6 as u32, libc::AF_UNIX as u32, libc::AF_NETLINK as u32],
    ),
    // Names of threads and of memory.
    (libc::SYS_prctl, 0, u32::MAX, &[libc::PR_SET_NAME as u32, PR_SET_VMA]),
];

/// prctl(2), PR_SET_VMA: "Sets an attribute … for virtual memory areas".
const PR_SET_VMA: u32 = 0x5356_4d41;

const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const MASK: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;

/// Where `struct seccomp_data` has the call's number, the architecture, and the lower half of the first of its arguments.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

/// The AUDIT_ARCH_ of linux/audit.h.
const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else {
    0xc000_00f3
};

const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Calls of another architecture, those with arguments to look at, then a search among the others.
fn program() -> Vec<SockFilter> {
    let mut program = vec![
        instruction(LOAD_WORD, ARCHITECTURE_AT),
        jump(JUMP_EQUAL, ARCHITECTURE, 1, 0),
        instruction(RETURN, REFUSE),
        instruction(LOAD_WORD, NUMBER_AT),
    ];
    for (call, argument, mask, values) in ALLOWED_WITH {
        let mut look = vec![instruction(LOAD_WORD, ARGUMENTS_AT + 8 * u32::from(argument)), instruction(MASK, mask)];
        look.extend(
            (1..).zip(values).map(|(after, &value)| jump(JUMP_EQUAL, value, values.len() as u8 + 1 - after, 0)),
        );
        look.extend([instruction(RETURN, REFUSE), instruction(RETURN, libc::SECCOMP_RET_ALLOW)]);
        program.push(jump(JUMP_EQUAL, call as u32, 0, look.len() as u8));
        program.extend(look);
    }
    search(&ranges(), &mut program);
    program
}

/// Where a range of numbers begins, and what happens to them; in order, from 0 on.
fn ranges() -> Vec<(u32, u32)> {
    let mut calls: Vec<u32> = ALLOWED.iter().copied().flatten().map(|&call| call as u32).collect();
    calls.sort_unstable();
    let mut ranges = vec![(0, REFUSE)];
    for call in calls {
        match ranges.as_mut_slice() {
            [_, .., gap] if gap.0 == call => gap.0 += 1,
            _ => ranges.extend([(call, libc::SECCOMP_RET_ALLOW), (call + 1, REFUSE)]),
        }
    }
    ranges
}

/// Halves the ranges until one is left.
fn search(ranges: &[(u32, u32)], program: &mut Vec<SockFilter>) {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (false, Some(&(middle, _))) = (low.is_empty(), high.first()) else {
        program.extend(ranges.iter().map(|&(_, verdict)| instruction(RETURN, verdict)));
        return;
    };
    // A search of that many ranges: a return for each, and a jump between any two.
    let length = 2 * low.len() - 1;
    program.push(jump(JUMP_AT_LEAST, middle, length as u8, 0));
    search(low, program);
    search(high, program);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program's verdict on a call with these first words of its arguments.
    fn verdict(program: &[SockFilter], architecture: u32, number: u32, argument: u32) -> u32 {
        let program: &[libc::sock_filter] =
            // SAFETY: a SockFilter is a `struct sock_filter` and nothing else.
            unsafe { std::slice::from_raw_parts(program.as_ptr().cast(), program.len()) };
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match u32::from(step.code) {
                LOAD_WORD => {
                    value = match step.k {
                        NUMBER_AT => number,
                        ARCHITECTURE_AT => architecture,
                        ARGUMENTS_AT => argument,
                        other => panic!("a load from {other}"),
                    }
                }
                MASK => value &= step.k,
                JUMP_EQUAL => at += usize::from(if value == step.k { step.jt } else { step.jf }),
                JUMP_AT_LEAST => at += usize::from(if value >= step.k { step.jt } else { step.jf }),
                RETURN => return step.k,
                other => panic!("instruction {other}"),
            }
        }
    }

    #[test]
    fn the_program_allows_what_the_table_holds_and_nothing_else() {
        let program = program();
        let always: Vec<u32> = ALLOWED.iter().copied().flatten().map(|&call| call as u32).collect();
        for number in (0..1000).chain([0x4000_0000, u32::MAX]) {
            for argument in [0, 1, 2, 10, 15, 16, 17, PR_SET_VMA, libc::CLONE_THREAD as u32 | 0x100, u32::MAX] {
                let with = ALLOWED_WITH.iter().find(|(call, ..)| *call as u32 == number);
                let allowed = always.contains(&number)
                    || with.is_some_and(|(_, _, mask, values)| values.contains(&(argument & mask)));
                let expected = if allowed { libc::SECCOMP_RET_ALLOW } else { REFUSE };
                assert_eq!(verdict(&program, ARCHITECTURE, number, argument), expected, "{number} {argument}");
                assert_eq!(verdict(&program, 1, number, argument), REFUSE);
            }
        }
    }

    #[test]
    fn no_jump_is_longer_than_an_instruction_can_hold() {
        assert!(program().len() < 255);
    }
}
