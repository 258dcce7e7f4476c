//! `rping-exporter`: loss and delay for Prometheus.

fn main() -> std::process::ExitCode {
    netprobe::cli::real_main(netprobe::cli::rping_exporter)
}
