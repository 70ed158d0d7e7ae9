//! A decoder of CME's messages that knows nothing but what the venue's own template file says:
//! slow, and written apart from the one that it is compared with.

use std::collections::BTreeMap;

/// The messages of a template file.
pub(crate) struct Schema {
    messages: BTreeMap<u16, Vec<Part>>,
}

/// A block's fields. The first is the root, the others are groups.
struct Part {
    aligned: bool,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    at: usize,
    since: u16,
}

/// One block as it was read: the fields that it has, by name.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<String, (String, Vec<u8>)>);

/// One message as it was read.
#[derive(Debug)]
pub(crate) struct Naive {
    pub(crate) template: u16,
    pub(crate) root: Values,
    pub(crate) groups: Vec<Vec<Values>>,
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

impl Schema {
    /// Reads a template file, which has each element on a line of its own.
    pub(crate) fn read(xml: &str) -> Self {
        let mut messages: BTreeMap<u16, Vec<Part>> = BTreeMap::new();
        let mut current: Option<u16> = None;
        for line in xml.lines().map(str::trim) {
            let part = |aligned| Part {
                aligned,
                fields: vec![],
            };
            if line.starts_with("<ns2:message ") {
                let template = attribute(line, "id").unwrap().parse().unwrap();
                messages.insert(template, vec![part(false)]);
                current = Some(template);
            } else if line.starts_with("</ns2:message") {
                current = None;
            } else if let Some(parts) = current.and_then(|template| messages.get_mut(&template)) {
                if line.starts_with("<group ") {
                    let aligned = attribute(line, "dimensionType") == Some("groupSize8Byte");
                    parts.push(part(aligned));
                } else if line.starts_with("<field ")
                    && let Some(at) = attribute(line, "offset")
                {
                    let named = |name| attribute(line, name).unwrap().to_owned();
                    let since = attribute(line, "sinceVersion").unwrap_or("0");
                    parts.last_mut().unwrap().fields.push(Field {
                        name: named("name"),
                        kind: named("type"),
                        at: at.parse().unwrap(),
                        since: since.parse().unwrap(),
                    });
                }
            }
        }
        Self { messages }
    }

    /// Reads the messages of a packet.
    pub(crate) fn packet(&self, packet: &[u8]) -> Vec<Naive> {
        let u16_at = |at: usize| u16::from_le_bytes([packet[at], packet[at + 1]]);
        let mut messages = vec![];
        let mut at = 12;
        while at < packet.len() {
            let (size, root_bytes) = (usize::from(u16_at(at)), u16_at(at + 2));
            let (template, version) = (u16_at(at + 4), u16_at(at + 8));
            let parts = &self.messages[&template];
            let mut next = at + 10 + usize::from(root_bytes);
            let root = parts[0].values(&packet[at + 10..next], version);
            let mut groups = vec![];
            for part in &parts[1..] {
                let header = if part.aligned { 8 } else { 3 };
                let (block, count) = (usize::from(u16_at(next)), packet[next + header - 1]);
                next += header;
                let mut entries = vec![];
                for _ in 0..count {
                    entries.push(part.values(&packet[next..next + block], version));
                    next += block;
                }
                groups.push(entries);
            }
            assert_eq!(next, at + size, "a message ends with its last group");
            at = next;
            messages.push(Naive {
                template,
                root,
                groups,
            });
        }
        messages
    }
}

impl Part {
    fn values(&self, block: &[u8], version: u16) -> Values {
        let there = self.fields.iter().filter(|field| field.since <= version);
        let values = there.map(|field| {
            let bytes = &block[field.at..field.at + width(&field.kind)];
            (field.name.clone(), (field.kind.clone(), bytes.to_vec()))
        });
        Values(values.collect())
    }
}

fn width(kind: &str) -> usize {
    match kind {
        "uInt64" | "uInt64NULL" | "PRICE" | "PRICENULL" => 8,
        "Asset" | "SecurityGroup" => 6,
        "Int32" | "Int32NULL" | "uInt32" | "uInt32NULL" => 4,
        "LocalMktDate" | "Int16" => 2,
        _ => 1,
    }
}

impl Values {
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        &self.0[name].1
    }

    /// Returns a number, or `None` where it is absent: not in this version, or null.
    pub(crate) fn number(&self, name: &str) -> Option<i128> {
        let (kind, bytes) = self.0.get(name)?;
        let mut wide = [0; 16];
        wide[..bytes.len()].copy_from_slice(bytes);
        let unsigned = i128::from_le_bytes(wide);
        let bits = 8 * u32::try_from(bytes.len()).unwrap();
        let signed = kind.starts_with("Int") || kind.starts_with("PRICE");
        let top = 1i128 << (bits - 1);
        let number = if signed && unsigned >= top {
            unsigned - 2 * top
        } else {
            unsigned
        };
        let null = match kind.as_str() {
            "PRICENULL" => Some(i64::MAX.into()),
            "Int32NULL" => Some(i32::MAX.into()),
            "uInt32NULL" => Some(u32::MAX.into()),
            "uInt64NULL" => Some(u64::MAX.into()),
            "LocalMktDate" => Some(u16::MAX.into()),
            "Int8NULL" => Some(i8::MAX.into()),
            "uInt8NULL" => Some(u8::MAX.into()),
            _ => None,
        };
        (Some(number) != null).then_some(number)
    }

    /// Returns a number that is there.
    pub(crate) fn get<N: TryFrom<i128>>(&self, name: &str) -> N {
        let number = self.number(name).unwrap_or_else(|| panic!("no {name}"));
        N::try_from(number).ok().expect("fits")
    }

    /// Returns a number, or what stands for none.
    pub(crate) fn or<N: TryFrom<i128>>(&self, name: &str, none: N) -> N {
        match self.number(name) {
            Some(number) => N::try_from(number).ok().expect("fits"),
            None => none,
        }
    }
}
