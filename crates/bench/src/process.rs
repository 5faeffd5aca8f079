//! What processes use, as Linux counts it.

use std::path::Path;

use crate::Result;

/// How long a tick of the CPU times in `/proc` is: the same on every Linux.
const TICK_US: u64 = 10_000;

/// CPU time that was used, and memory that is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) service_us: u64,
    /// Of all processes of PostgreSQL, if it runs here.
    pub(crate) postgres_us: Option<u64>,
    pub(crate) service_rss_kib: u64,
}

impl Usage {
    /// What was used since then.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            service_us: self.service_us - before.service_us,
            postgres_us: self.postgres_us.zip(before.postgres_us).map(|(now, then)| now.saturating_sub(then)),
            service_rss_kib: self.service_rss_kib,
        }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            service_us: self.service_us + other.service_us,
            postgres_us: self.postgres_us.zip(other.postgres_us).map(|(one, other)| one + other),
            service_rss_kib: self.service_rss_kib.max(other.service_rss_kib),
        }
    }
}

/// The process of which all others of a PostgreSQL server are children, given one of those. `None` where the
/// server runs elsewhere.
pub(crate) fn postmaster_of(backend: u32) -> Option<u32> {
    let parent = Stat::read(backend).ok()?.parent;
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    name.starts_with("postgres").then_some(parent)
}

/// What the service and PostgreSQL have used so far.
pub(crate) fn usage(service: u32, postmaster: Option<u32>) -> Result<Usage> {
    let stat = Stat::read(service)?;
    Ok(Usage {
        service_us: stat.own_us,
        postgres_us: postmaster.map(family_us).transpose()?,
        service_rss_kib: rss_kib(service)?,
    })
}

/// CPU time of a process, its children, and those of them that have ended.
fn family_us(parent: u32) -> Result<u64> {
    let stat = Stat::read(parent)?;
    let mut total = stat.own_us + stat.ended_children_us;
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that ends meanwhile is among the ended children next time.
        if let Ok(child) = Stat::read(pid)
            && child.parent == parent
        {
            total += child.own_us + child.ended_children_us;
        }
    }
    Ok(total)
}

fn rss_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// As much of `/proc/PID/stat` as is needed; see proc(5).
struct Stat {
    parent: u32,
    own_us: u64,
    ended_children_us: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = std::fs::read_to_string(Path::new(&path))?;
        // The name, in parentheses, may hold anything.
        let (_, rest) = text.rsplit_once(')').ok_or("no name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Field 3 of proc(5) is the first here.
        let field =
            |number: usize| -> Result<u64> { Ok(fields.get(number - 3).ok_or("too short")?.parse()?) };
        Ok(Self {
            parent: u32::try_from(field(4)?)?,
            own_us: (field(14)? + field(15)?) * TICK_US,
            ended_children_us: (field(16)? + field(17)?) * TICK_US,
        })
    }
}
