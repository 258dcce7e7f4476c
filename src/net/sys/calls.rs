//! The system calls that probing needs, syscalls(2): [`ALLOWED`], and those that are allowed with some arguments alone.

/// A system call's number.
pub type Number = libc::c_long;

/// Allowed with any arguments.
pub const ALLOWED: &[&[Number]] = &[
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
        libc::SYS_pselect6,
        libc::SYS_nanosleep,
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
        libc::SYS_pread64,
        libc::SYS_lseek,
        libc::SYS_close,
        libc::SYS_fcntl,
        libc::SYS_openat,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_fstatfs,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_readlinkat,
        libc::SYS_getdents64,
        libc::SYS_getcwd,
    ],
    // The path of a local socket, when its listener ends.
    &[libc::SYS_unlinkat],
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
        libc::SYS_set_tid_address,
        libc::SYS_membarrier,
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
        libc::SYS_sysinfo,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_gettimeofday,
        libc::SYS_clock_adjtime,
        libc::SYS_adjtimex,
    ],
    OLD,
];

/// What only older architectures have, as C libraries still call them.
#[cfg(target_arch = "x86_64")]
const OLD: &[Number] = &[
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_unlink,
    libc::SYS_arch_prctl,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Number] = &[];

/// Allowed if the lower half of this argument, masked, is one of these values: (call, argument, mask, values).
pub const ALLOWED_WITH: [(Number, u8, u32, &[u32]); 3] = [
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
