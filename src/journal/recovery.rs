//! Owns taking a journal over, after whatever happened: where it goes on, and what is cut.

use super::directory::{Listing, SegmentEntry};
use super::format::{Identity, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::segment::SegmentFile;
use super::source::{self, Found, NotOpened, OTHER_RECORDS, Source, misplaced};
use super::writer::{Config, Recovery};
use crate::error::{Error, Result};
use crate::record::{Event, Sequence};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// A journal that was there.
pub(super) struct TakenOver {
    /// Where it goes on.
    pub(super) segment: SegmentFile,
    pub(super) next: Sequence,
    pub(super) recovery: Recovery,
}

/// Finds the place where a journal goes on: behind the last whole frame of its last segment, or
/// behind a finished one in a new segment, or at the beginning of a new journal.
pub(super) fn find<E: Event>(
    config: &Config,
    segments: &[SegmentEntry],
    now_ns: u64,
) -> Result<TakenOver> {
    if !segments.is_empty() {
        return take_over::<E>(config, segments, now_ns);
    }
    let identity = new_identity::<E>(config)?;
    Ok(TakenOver {
        segment: create(config, identity, 1, Sequence::FIRST, now_ns)?,
        next: Sequence::FIRST,
        recovery: Recovery::default(),
    })
}

/// Sees that a directory holds a journal or nothing.
pub(super) fn refuse_foreign(directory: &Path, listing: &Listing) -> Result<()> {
    if !listing.segments.is_empty() || listing.others == 0 {
        return Ok(());
    }
    Err(Error::Journal {
        path: directory.to_owned(),
        problem: format!("is no journal, and holds {} other files", listing.others),
        remedy: "record to an empty directory, or to one that does not exist",
    })
}

/// Makes a segment as the configuration says.
pub(super) fn create(
    config: &Config,
    identity: Identity,
    index: u64,
    first: Sequence,
    now_ns: u64,
) -> Result<SegmentFile> {
    let header = SegmentHeader {
        identity,
        index,
        first,
        created_ns: now_ns,
        segment_bytes: config.segment_bytes,
    };
    SegmentFile::create(&config.directory, header, config.is_durable())
}

/// Cuts the last segment of a journal behind its last whole frame, and goes on there; behind a
/// finished one in a new segment.
fn take_over<E: Event>(
    config: &Config,
    segments: &[SegmentEntry],
    now_ns: u64,
) -> Result<TakenOver> {
    let (last, before) = segments
        .split_last()
        .expect("invariant: the directory holds a segment");
    let mut recovery = Recovery {
        segments: segments.len() as u64,
        torn_bytes: 0,
    };
    // A last segment without a header: its writer ended as it made it, and there is nothing in it.
    let mut unfinished = None;
    let mut source = match Source::<E>::open(last) {
        Ok(source) => source,
        Err(NotOpened::Error(error)) => return Err(error),
        Err(NotOpened::Gone) => return Err(source::gone(last)),
        Err(NotOpened::Unfinished { bytes }) => {
            recovery.torn_bytes = bytes;
            let Some(previous) = before.last() else {
                remove(last)?;
                let identity = new_identity::<E>(config)?;
                return Ok(TakenOver {
                    segment: create(config, identity, last.index, last.first, now_ns)?,
                    next: last.first,
                    recovery,
                });
            };
            unfinished = Some(last);
            open_with_header(previous)?
        }
    };
    let identity = source.header.identity.clone();
    if identity.bus != config.bus {
        return Err(Error::Journal {
            path: config.directory.clone(),
            problem: format!("is the journal of bus {}, not {}", identity.bus, config.bus),
            remedy: "record each bus to a directory of its own",
        });
    }
    let good = good_frames(&mut source)?;
    if let Some(unfinished) = unfinished {
        if unfinished.first != good.next {
            let reason = format!(
                "it ends before record {}, and the next segment's name says {}",
                good.next, unfinished.first
            );
            return Err(source.corrupt(good.end, reason));
        }
        remove(unfinished)?;
    }
    let torn_bytes = source.bytes()?.saturating_sub(good.end);
    let index = source.header.index;
    let segment = if !good.finished {
        resume(source, &good)?
    } else {
        if torn_bytes > 0 {
            resume(source, &good)?;
        }
        create(config, identity, index + 1, good.next, now_ns)?
    };
    recovery.torn_bytes += torn_bytes;
    Ok(TakenOver {
        segment,
        next: good.next,
        recovery,
    })
}

fn resume<E: Event>(source: Source<E>, good: &Good) -> Result<SegmentFile> {
    let path = source.entry.path;
    if source.entry.archived {
        return Err(Error::Journal {
            path,
            problem: "is archived, and its writer had not finished it".to_owned(),
            remedy: "unpack it with `zstd -d` and remove the archive, then record again",
        });
    }
    let file = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|os| Error::os(format!("write to {}", path.display()), os))?;
    SegmentFile::resume(file, path, source.header, good.end, good.times)
}

pub(super) fn open_with_header<E: Event>(entry: &SegmentEntry) -> Result<Source<E>> {
    Source::open(entry).map_err(|refused| match refused {
        NotOpened::Error(error) => error,
        NotOpened::Gone => source::gone(entry),
        NotOpened::Unfinished { .. } => source::unfinished(entry),
    })
}

fn remove(entry: &SegmentEntry) -> Result<()> {
    fs::remove_file(&entry.path)
        .map_err(|os| Error::os(format!("remove {}", entry.path.display()), os))
}

fn new_identity<E: Event>(config: &Config) -> Result<Identity> {
    let id = u128::from_le_bytes(random()?);
    Ok(Identity::new(id, &config.bus, E::SCHEMA))
}

/// The part of a segment that is whole.
struct Good {
    end: u64,
    next: Sequence,
    times: Option<(u64, u64)>,
    /// Whether it ends with a closing mark.
    finished: bool,
}

/// Walks the frames of the last segment to where they are no longer whole.
fn good_frames<E: Event>(source: &mut Source<E>) -> Result<Good> {
    let bytes = source.bytes()?;
    let mut good = Good {
        end: SEGMENT_HEADER_BYTES,
        next: source.header.first,
        times: None,
        finished: false,
    };
    loop {
        let why = match source.look(good.end, bytes)? {
            Found::End => return Ok(good),
            Found::Frame(frame) if source.is_whole(&frame)? => {
                if good.finished || frame.first != good.next {
                    let reason = misplaced(good.finished, &frame, good.next);
                    return Err(source.corrupt(good.end, reason));
                }
                good.finished = frame.is_closing_mark();
                good.end += frame.frame_bytes();
                good.next = frame.end;
                if !frame.is_closing_mark() {
                    good.times = Some((frame.least_recv_ns, frame.greatest_recv_ns));
                }
                continue;
            }
            Found::Frame(_) => OTHER_RECORDS,
            Found::Bad(why) => why,
        };
        return match source.whole_frame_behind(good.end, bytes)? {
            Some(_) => Err(source.corrupt(good.end, why)),
            None => Ok(good),
        };
    }
}

fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::os("draw the journal's id", io::Error::other(error)))?;
    Ok(bytes)
}
