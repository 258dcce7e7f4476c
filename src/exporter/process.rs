//! What the system says of this process.

use std::fmt;
use std::fs;

use super::write::Writer;

/// Clock ticks a second, the same on every Linux (USER_HZ).
const TICKS: f64 = 100.0;

/// Figures as proc(5) gives them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    cpu_seconds: f64,
    resident: f64,
    virtual_memory: f64,
    descriptors: usize,
    started: f64,
}

/// Reads them; `None` without `/proc`.
pub fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may be anything.
    let fields: Vec<f64> =
        stat.rsplit_once(')')?.1.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    // The first of these is field 4.
    let field = |number: usize| fields.get(number - 4).copied();
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()
    };
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Process {
        cpu_seconds: (field(14)? + field(15)?) / TICKS,
        started: boot + field(22)? / TICKS,
        virtual_memory: kibibytes("VmSize:")? * 1024.0,
        resident: kibibytes("VmRSS:")? * 1024.0,
        descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
    })
}

impl Process {
    pub fn write(&self, to: &mut Writer<'_>) -> fmt::Result {
        to.counter("process_cpu_seconds", "CPU time of user and system", self.cpu_seconds)?;
        to.gauge("process_resident_memory_bytes", "Resident memory", self.resident)?;
        to.gauge("process_virtual_memory_bytes", "Virtual memory", self.virtual_memory)?;
        to.gauge("process_open_fds", "Open file descriptors", self.descriptors as f64)?;
        to.gauge("process_start_time_seconds", "When the process started", self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_own_figures() {
        let process = read().unwrap();
        assert!(process.resident > 1e5 && process.descriptors >= 3 && process.started > 1e9);
    }
}
