//! Owns what a bench was asked for. Cargo gives every bench of a run the same arguments, so those
//! that are meant for criterion reach the others, too, and must not be taken for filters.

/// Arguments of criterion that are followed by a value.
const VALUED: [&str; 21] = [
    "-b",
    "-c",
    "-s",
    "--baseline",
    "--baseline-lenient",
    "--color",
    "--colour",
    "--confidence-level",
    "--format",
    "--load-baseline",
    "--logfile",
    "--measurement-time",
    "--noise-threshold",
    "--nresamples",
    "--output-format",
    "--plotting-backend",
    "--profile-time",
    "--sample-size",
    "--save-baseline",
    "--significance-level",
    "--warm-up-time",
];

/// Those that ask for something which only criterion has: baselines, profiles, names, help.
const CRITERIONS: [&str; 12] = [
    "-V",
    "-b",
    "-h",
    "-s",
    "--baseline",
    "--baseline-lenient",
    "--help",
    "--list",
    "--load-baseline",
    "--profile-time",
    "--save-baseline",
    "--version",
];

/// What a bench was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// To measure, and not only to check that everything works.
    pub bench: bool,
    /// Something that only criterion can do.
    pub criterions: bool,
    /// Whether a filter is a whole name.
    pub exact: bool,
    /// Parts of the names that are wanted; all are when there is none.
    pub filters: Vec<String>,
}

impl Arguments {
    /// Reads arguments, the program's name not among them.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Self {
        let (mut read, mut test) = (Self::default(), false);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, _)) if name.starts_with('-') => (name, true),
                _ => match argument.split_at_checked(2) {
                    // `-s before` can be written `-sbefore`.
                    Some((short, rest)) if VALUED.contains(&short) && !rest.is_empty() => {
                        (short, true)
                    }
                    _ => (argument.as_str(), false),
                },
            };
            read.bench |= name == "--bench";
            test |= name == "--test";
            read.exact |= name == "--exact";
            read.criterions |= CRITERIONS.contains(&name);
            if VALUED.contains(&name) && !value {
                _ = arguments.next();
            } else if !name.starts_with('-') {
                read.filters.push(argument);
            }
        }
        // Cargo says `--bench` in any case; who adds `--test` wants everything checked only.
        read.bench &= !test;
        read
    }

    /// Whether what is named `name`, and is not criterion's, was asked for.
    pub fn want(&self, name: &str) -> bool {
        let named = |filter: &String| match self.exact {
            true => name == filter,
            false => name.contains(filter.as_str()),
        };
        !self.criterions && (self.filters.is_empty() || self.filters.iter().any(named))
    }
}
