//! Hosts that are not there: what their `/proc` and `/sys` would hold, written to a directory.

use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

const CPUS: &str = "/sys/devices/system/cpu";
const NODES: &str = "/sys/devices/system/node";

/// Files of a host, by their paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(pub(crate) BTreeMap<String, Vec<u8>>);

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        let mut all = Self::default();
        for (path, text) in files {
            all.set(path, text);
        }
        all
    }

    /// Writes a text to a file, with the line feed that the kernel ends it with.
    pub(crate) fn set(&mut self, path: &str, text: &str) {
        self.0
            .insert(path.to_owned(), format!("{text}\n").into_bytes());
    }

    /// Takes away a file, or all files of a directory.
    pub(crate) fn remove(&mut self, path: &str) {
        let inside = format!("{path}/");
        self.0
            .retain(|file, _| file != path && !file.starts_with(&inside));
    }

    pub(crate) fn write(&self) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in &self.0 {
            let path = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }
}

/// What every host has; what it has is good.
fn any() -> Files {
    Files::of(&[
        ("/proc/sys/kernel/osrelease", "6.12.9-amd64"),
        ("/proc/sys/kernel/io_uring_disabled", "0"),
        ("/proc/sys/kernel/timer_migration", "0"),
        ("/proc/sys/kernel/sched_rt_runtime_us", "-1"),
        ("/proc/sys/kernel/sched_rt_period_us", "1000000"),
        ("/proc/sys/kernel/sched_autogroup_enabled", "0"),
        (
            "/proc/cpuinfo",
            "processor\t: 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc rdtscp",
        ),
        ("/proc/loadavg", "0.07 0.03 0.01 1/312 4711"),
        (
            "/proc/self/status",
            "Name:\tringtape\nCpus_allowed_list:\t0-1",
        ),
        (
            "/proc/self/limits",
            "Limit  Soft Limit  Hard Limit  Units\nMax locked memory  unlimited  unlimited  bytes",
        ),
        ("/proc/self/cgroup", "0::/system.slice/ringtape.service"),
        (
            "/proc/self/mountinfo",
            "27 1 259:1 / / rw,relatime - ext4 /dev/nvme0n1p2 rw\n\
             28 27 259:3 / /tape rw,noatime shared:9 - xfs /dev/nvme1n1 rw,attr2",
        ),
        ("/sys/fs/cgroup/system.slice/cpu.max", "max 100000"),
        (
            "/sys/fs/cgroup/system.slice/ringtape.service/cpu.max",
            "max 100000",
        ),
        (
            "/sys/fs/cgroup/system.slice/ringtape.service/cpu.stat",
            "usage_usec 12\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0",
        ),
        ("/sys/fs/cgroup/cpuset.cpus.effective", "0-7"),
        (
            "/proc/stat",
            "cpu  1000 0 1000 98000 0 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0",
        ),
        (
            "/proc/meminfo",
            "MemTotal: 65536000 kB\nMemAvailable: 60000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n\
             HugePages_Total: 0\nHugePages_Free: 0",
        ),
        (
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "always [madvise] never",
        ),
        (
            "/sys/kernel/mm/transparent_hugepage/defrag",
            "always defer [madvise] never",
        ),
        (
            "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
            "always within_size advise [never] deny force",
        ),
        ("/proc/sys/vm/swappiness", "60"),
        ("/proc/sys/vm/dirty_ratio", "0"),
        ("/proc/sys/vm/dirty_bytes", "4294967296"),
        ("/proc/sys/vm/dirty_background_ratio", "0"),
        ("/proc/sys/vm/dirty_background_bytes", "268435456"),
        ("/proc/sys/vm/dirty_expire_centisecs", "3000"),
        ("/proc/sys/net/core/rmem_max", "67108864"),
        ("/proc/sys/net/core/busy_read", "50"),
        ("/proc/sys/net/core/busy_poll", "50"),
        ("/proc/sys/net/core/netdev_max_backlog", "1000"),
        ("/proc/sys/net/ipv4/igmp_max_memberships", "20"),
        ("/proc/sys/net/ipv4/igmp_max_msf", "10"),
        ("/proc/sys/net/ipv4/conf/all/rp_filter", "0"),
        ("/proc/sys/net/ipv4/conf/default/rp_filter", "0"),
        (
            "/proc/net/snmp",
            "Tcp: A B\nTcp: 1 2\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\n\
             Udp: 9000 0 0 10 0",
        ),
        (
            "/proc/net/udp",
            "  sl  local_address drops\n  7: 0100007F:14E9 00000000:0000 07 2 abc 0",
        ),
        (
            "/proc/net/softnet_stat",
            "0000ffff 00000000 00000000\n000000aa 00000000 00000000",
        ),
        (
            "/sys/devices/system/clocksource/clocksource0/current_clocksource",
            "tsc",
        ),
        (
            "/sys/devices/system/clocksource/clocksource0/available_clocksource",
            "tsc hpet",
        ),
        ("/proc/1/comm", "systemd"),
        ("/proc/812/comm", "chronyd"),
        ("/sys/class/net/lo/operstate", "unknown"),
    ])
}

fn with_cores(files: &mut Files, list: &str, cores: usize) {
    files.set(&format!("{CPUS}/online"), list);
    files.set(
        "/proc/self/status",
        &format!("Name:\tringtape\nCpus_allowed_list:\t{list}"),
    );
    files.set(&format!("{CPUS}/isolated"), "");
    files.set("/proc/cmdline", "root=/dev/nvme0n1p2 quiet");
    for core in 0..cores {
        let own = format!("{CPUS}/cpu{core}/topology/thread_siblings_list");
        files.set(&own, &core.to_string());
    }
    files.set(&format!("{NODES}/online"), "0");
    files.set(&format!("{NODES}/node0/cpulist"), list);
}

fn with_card(files: &mut Files, name: &str) {
    let card = format!("/sys/class/net/{name}");
    files.set(&format!("{card}/operstate"), "up");
    for counter in ["rx_dropped", "rx_missed_errors", "rx_fifo_errors"] {
        files.set(&format!("{card}/statistics/{counter}"), "0");
    }
    files.set(&format!("{card}/device/numa_node"), "0");
    for irq in ["40", "41"] {
        files.set(&format!("{card}/device/msi_irqs/{irq}"), "msix");
        files.set(&format!("/proc/irq/{irq}/smp_affinity_list"), "0-1");
        files.set(&format!("/proc/irq/{irq}/effective_affinity_list"), "0");
    }
    files.set(&format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), "0");
}

fn with_power(files: &mut Files, cores: usize, governor: &str, bias: &str, deep_disabled: &str) {
    for core in 0..cores {
        let cpu = format!("{CPUS}/cpu{core}");
        files.set(&format!("{cpu}/cpufreq/scaling_governor"), governor);
        files.set(&format!("{cpu}/power/energy_perf_bias"), bias);
        for (state, name, latency, disable) in [
            ("state0", "POLL", "0", "0"),
            ("state1", "C1", "2", "0"),
            ("state2", "C6", "133", deep_disabled),
        ] {
            files.set(&format!("{cpu}/cpuidle/{state}/name"), name);
            files.set(&format!("{cpu}/cpuidle/{state}/latency"), latency);
            files.set(&format!("{cpu}/cpuidle/{state}/disable"), disable);
        }
    }
}

/// Eight cores on two nodes, 2 and 3 kept free; nothing is left to do.
pub(crate) fn tuned() -> Files {
    let mut files = any();
    with_cores(&mut files, "0-7", 8);
    with_card(&mut files, "eth0");
    with_power(&mut files, 8, "performance", "0", "1");
    files.set(&format!("{CPUS}/intel_pstate/no_turbo"), "1");
    files.set(&format!("{CPUS}/isolated"), "2-3");
    files.set(&format!("{CPUS}/nohz_full"), "2-3");
    files.set(
        "/proc/cmdline",
        "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3",
    );
    files.set(
        "/proc/self/status",
        "Name:\tringtape\nCpus_allowed_list:\t0-1,4-7",
    );
    files.set(
        "/boot/config-6.12.9-amd64",
        "CONFIG_HZ=1000\nCONFIG_RCU_NOCB_CPU=y",
    );
    files.set("/proc/sys/kernel/numa_balancing", "0");
    files.set(&format!("{NODES}/online"), "0-1");
    files.set(&format!("{NODES}/node0/cpulist"), "0-3");
    files.set(&format!("{NODES}/node1/cpulist"), "4-7");
    files.set(&format!("{CPUS}/vulnerabilities/meltdown"), "Not affected");
    files.set(
        &format!("{CPUS}/vulnerabilities/spectre_v1"),
        "Not affected",
    );
    files
}

/// Two cores with two threads each, that save energy, a swap file, a desktop's settings.
pub(crate) fn laptop() -> Files {
    let mut files = any();
    with_cores(&mut files, "0-3", 4);
    with_power(&mut files, 4, "powersave", "6", "0");
    for (core, siblings) in [(0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")] {
        files.set(
            &format!("{CPUS}/cpu{core}/topology/thread_siblings_list"),
            siblings,
        );
    }
    files.set(&format!("{CPUS}/intel_pstate/no_turbo"), "0");
    files.set(
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "[always] madvise never",
    );
    files.set("/proc/sys/net/core/rmem_max", "212992");
    files.set("/proc/991/comm", "irqbalance");
    files.set(
        "/proc/meminfo",
        "MemAvailable: 12000000 kB\nSwapTotal: 8000000 kB\nSwapFree: 7000000 kB\n\
         HugePages_Total: 0\nHugePages_Free: 0",
    );
    files.set(
        "/proc/self/limits",
        "Max locked memory         65536                65536                bytes",
    );
    files
}

/// Two virtual cores whose frequency, idle states and siblings the hypervisor hides.
pub(crate) fn virtual_machine() -> Files {
    let mut files = any();
    with_cores(&mut files, "0-1", 2);
    files.set(
        "/proc/cpuinfo",
        "processor\t: 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc hypervisor tsc_known_freq",
    );
    files.set("/sys/class/dmi/id/product_name", "KVM");
    files.set(
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        "kvm-clock",
    );
    files.set(
        "/proc/stat",
        "cpu  5402150 146128 572830 3189293 16998 0 29219 44800 0 0",
    );
    files
}

/// Two of eight cores by a quota of the old control groups, on an overlay.
pub(crate) fn container() -> Files {
    let mut files = any();
    with_cores(&mut files, "0-7", 8);
    files.remove("/sys/fs/cgroup");
    files.set(
        "/proc/self/cgroup",
        "4:cpu,cpuacct:/docker/1f3a\n3:cpuset:/docker/1f3a\n0::/docker/1f3a",
    );
    let group = "/sys/fs/cgroup/cpu,cpuacct";
    files.set(&format!("{group}/cpu.cfs_quota_us"), "-1");
    files.set(&format!("{group}/cpu.cfs_period_us"), "100000");
    files.set(&format!("{group}/docker/1f3a/cpu.cfs_quota_us"), "200000");
    files.set(&format!("{group}/docker/1f3a/cpu.cfs_period_us"), "100000");
    files.set(
        &format!("{group}/docker/1f3a/cpu.stat"),
        "nr_periods 90\nnr_throttled 17",
    );
    files.set(
        "/sys/fs/cgroup/cpuset/docker/1f3a/cpuset.effective_cpus",
        "0-7",
    );
    files.set(
        "/proc/self/mountinfo",
        "512 460 0:51 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/l",
    );
    files.remove("/proc/sys/kernel/numa_balancing");
    files
}
