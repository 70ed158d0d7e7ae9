//! Owns what `play` makes of a scenario file: which of it applies, and to what.

use super::Args;
use super::player::Numbered;
use anyhow::{Context as _, Result, bail, ensure};
use ringtape::torture::{EventAt, Faults, LineScenario, Scenario, Traffic, What};
use std::fs;

/// Reads the scenario that the arguments name, with what they change of it.
pub(super) fn load(args: &Args) -> Result<Option<Scenario>> {
    let Some(path) = &args.scenario else {
        return Ok(None);
    };
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the scenario {}", path.display()))?;
    let mut scenario =
        Scenario::parse(&text).with_context(|| format!("scenario {}", path.display()))?;
    if args.tcp.is_some() {
        let restarts = scenario.events.iter();
        let restarts = restarts.filter(|event| event.what == What::Restart).count();
        ensure!(
            restarts == 0,
            "scenario {}: a session on TCP never numbers again: leave the restarts out, or --tcp",
            path.display()
        );
    } else {
        ensure!(
            scenario.tcp.is_none(),
            "scenario {}: it has [tcp], and there is no --tcp: add it",
            path.display()
        );
    }
    let (lines, targets) = (scenario.lines.len(), args.to.len());
    if targets == 0 {
        scenario.lines.clear();
    }
    ensure!(
        lines == targets || targets == 0,
        "scenario {}: it has {lines} lines, and there are {targets} --to: give one for each",
        path.display()
    );
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    Ok(Some(scenario))
}

/// Makes the scenario of lines that do nothing to their packets.
pub(super) fn plain(lines: usize, seed: u64) -> Scenario {
    let names = ('A'..).take(lines);
    Scenario {
        seed,
        traffic: Traffic::default(),
        lines: names
            .map(|name| LineScenario {
                name: name.into(),
                ..LineScenario::default()
            })
            .collect(),
        events: Vec::new(),
        servers: Vec::new(),
        tcp: None,
    }
}

/// Makes the faults of each line for the packets of a file. Of the venue's events a file can be
/// given silences only: it has sessions and numbers of its own.
pub(super) fn faults_of_file(scenario: &Scenario) -> Result<Vec<Faults<Numbered>>> {
    let mut silences = Vec::new();
    for event in &scenario.events {
        match (event.what, event.at) {
            (What::Silence(for_ns), EventAt::Time(from_ns)) => {
                silences.push((from_ns, from_ns.saturating_add(for_ns)));
            }
            (What::Silence(_), EventAt::Message(_)) => {
                bail!("the scenario's silence needs at_us: a file's messages are not counted")
            }
            _ => bail!(
                "the scenario's events need its own traffic: leave the file out, or all [[event]] \
                 but silences"
            ),
        }
    }
    let lines = scenario.lines.iter().enumerate();
    let faults = lines.map(|(index, line)| {
        let mut line = line.clone();
        line.silences.extend_from_slice(&silences);
        Faults::new(scenario.seed, index, line)
    });
    Ok(faults.collect())
}
