//! Confinement: what the compile process takes from itself before it meets a stranger's bytes.
//!
//! In force on Linux: limits of CPU, memory, file size (nothing), open files and core dumps (none); a lower
//! priority; no new privileges; and a system call filter that leaves memory, the open pipes and the clock.
//! Everything else fails with "not permitted": files, sockets, other processes, threads, executable memory.
//! Where the kernel has no such filter the rest still holds, and the host's log says so.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Limits CPU, memory and files. First thing in the process.
pub(super) fn limit(cpu: Duration, memory_bytes: u64) -> Result<(), String> {
    let set = |resource, soft: u64, hard: u64, name: &str| {
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })
            .map_err(|e| format!("cannot limit {name}: {e}"))
    };
    // The soft limit ends the process with a signal of its own, so that the host can say why.
    set(Resource::Cpu, cpu.as_secs(), cpu.as_secs() + 2, "CPU time")?;
    // Not the address space: reservations would count.
    set(Resource::Data, memory_bytes, memory_bytes, "memory")?;
    set(Resource::Core, 0, 0, "core dumps")?;
    set(Resource::Fsize, 0, 0, "files")?;
    set(Resource::Nofile, 16, 16, "open files")?;
    // Guests that run come first.
    let _not_nicer = nice(10);
    Ok(())
}

/// Gives up every system call that compiling does not need. After this, nothing is undone.
pub(super) fn filter() -> Result<(), String> {
    let program = program().map_err(|e| e.to_string())?;
    seccompiler::apply_filter(&program).map_err(|e| e.to_string())
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = FREE.iter().map(|&call| (call, Vec::new())).collect();
    let no_code = |argument| -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        let not_executable = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, not_executable, 0)?;
        Ok(vec![SeccompRule::new(vec![condition])?])
    };
    rules.insert(libc::SYS_mmap, no_code(2)?);
    rules.insert(libc::SYS_mprotect, no_code(2)?);
    // `abort` sends a signal: to itself and nobody else.
    let me = u64::from(std::process::id());
    let own = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, me)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![own])?]);
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, denied, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Calls that reach nothing outside: memory, what is open already, the clock, and ending.
const FREE: [i64; 27] = [
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
