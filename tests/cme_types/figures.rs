//! What figures, snapshots and statuses become.

use crate::cme_messages::{Sbe, block};
use crate::templates::{
    TIME, check, daily, head, limits, reset, scale, session, snapshot, status, volume,
};
use ringtape::market::{
    ChannelReset, EventKind, Flags, Level, LevelAction, NO_PRICE, NO_QUANTITY, PriceLimits,
    SecurityStatus, Side, SnapshotStart, Statistic, Volume,
};

#[test]
fn figures_volumes_and_limits_become_one_event_for_each_entry() {
    for template in [33, 49] {
        let figure = Statistic {
            head: head(EventKind::STATISTIC, Side::NONE, Flags::LAST),
            price_e9: 41 * scale(template),
            quantity: NO_QUANTITY,
            report: 1,
            entry_type: b'6',
            action: LevelAction::NEW,
            open_close: 255,
            venue_flags: 0x84,
            reference_date: 17_000,
            settlement: 3,
            reserved: [0; 5],
            message: 1,
        };
        check(&daily(template), &[figure.into()]);
    }
    for (template, version) in [(35, 8), (35, 7), (51, 9)] {
        let figure = Statistic {
            head: head(EventKind::STATISTIC, Side::NONE, Flags::LAST),
            price_e9: 51 * scale(template),
            quantity: if version == 7 { NO_QUANTITY } else { 12 },
            report: 1,
            entry_type: b'4',
            action: LevelAction::CHANGE,
            open_close: 0,
            venue_flags: 0x84,
            reference_date: 65_535,
            settlement: 255,
            reserved: [0; 5],
            message: 1,
        };
        check(&session(template, version), &[figure.into()]);
    }
    for template in [34, 50] {
        let limit = PriceLimits {
            head: head(EventKind::PRICE_LIMITS, Side::NONE, Flags::LAST),
            high_price_e9: 60 * scale(template),
            low_price_e9: NO_PRICE,
            max_variation_e9: 5 * scale(template),
            report: 1,
            message: 1,
        };
        check(&limits(template), &[limit.into()]);
    }
    let first = Volume {
        head: head(EventKind::VOLUME, Side::NONE, Flags::NONE),
        quantity: 0x7fff_ffff,
        report: 1,
        action: LevelAction::NEW,
        venue_flags: 0x84,
        reserved: [0; 18],
        message: 1,
    };
    let mut second = first;
    second.head.instrument = 200;
    second.head.flags = Flags::LAST;
    second.quantity = 6;
    second.action = LevelAction::CHANGE;
    check(&volume(), &[first.into(), second.into()]);
}

#[test]
fn a_snapshot_is_its_start_its_limits_its_levels_and_its_figures() {
    for template in [38, 52] {
        let start = SnapshotStart {
            head: head(EventKind::SNAPSHOT_START, Side::NONE, Flags::SNAPSHOT),
            ts_updated_ns: TIME - 1,
            last_sequence: 500,
            reports: 40,
            report: 9,
            trade_date: 17_001,
            status: 17,
            reserved: [0; 5],
            message: 1,
        };
        let limits = PriceLimits {
            head: head(EventKind::PRICE_LIMITS, Side::NONE, Flags::SNAPSHOT),
            high_price_e9: 80 * scale(template),
            low_price_e9: NO_PRICE,
            max_variation_e9: 6 * scale(template),
            report: 9,
            message: 1,
        };
        let level = Level {
            head: head(EventKind::LEVEL, Side::SELL, Flags::SNAPSHOT),
            price_e9: 71 * scale(template),
            quantity: 15,
            orders: NO_QUANTITY,
            report: 9,
            tradeable_quantity: NO_QUANTITY,
            level: 1,
            action: LevelAction::OVERLAY,
            entry_type: b'1',
            venue_flags: 0,
            message: 1,
        };
        let figure = Statistic {
            head: head(
                EventKind::STATISTIC,
                Side::NONE,
                Flags::SNAPSHOT.with(Flags::LAST),
            ),
            price_e9: 71 * scale(template),
            quantity: 15,
            report: 9,
            entry_type: b'e',
            action: LevelAction::OVERLAY,
            open_close: 255,
            venue_flags: 0,
            reference_date: 65_535,
            settlement: 0x80,
            reserved: [0; 5],
            message: 1,
        };
        let expected = [start.into(), limits.into(), level.into(), figure.into()];
        check(&snapshot(template), &expected);

        let mut empty = snapshot(template);
        empty.groups[0].entries.clear();
        let last = PriceLimits {
            head: head(
                EventKind::PRICE_LIMITS,
                Side::NONE,
                Flags::SNAPSHOT.with(Flags::LAST),
            ),
            ..limits
        };
        check(&empty, &[start.into(), last.into()]);
    }
}

#[test]
fn a_status_of_a_group_has_no_instrument_and_a_reset_tells_its_channel() {
    let mut of_group = head(EventKind::SECURITY_STATUS, Side::NONE, Flags::LAST);
    of_group.instrument = 0;
    let expected = SecurityStatus {
        head: of_group,
        group: *b"ES\0\0\0\0",
        asset: *b"ESX\0\0\0",
        trade_date: 17_002,
        status: 21,
        halt_reason: 1,
        event: 4,
        venue_flags: 0x80,
        reserved: [0; 10],
        message: 1,
    };
    check(&status(), &[expected.into()]);
    let mut of_one = status();
    of_one.root.0[20..24].copy_from_slice(&100u32.to_le_bytes());
    let mut expected_of_one = expected;
    expected_of_one.head.instrument = 100;
    check(&of_one, &[expected_of_one.into()]);

    let mut of_all = head(EventKind::CHANNEL_RESET, Side::NONE, Flags::LAST);
    of_all.instrument = 0;
    let expected = ChannelReset {
        head: of_all,
        channel: -310,
        channels: 2,
        venue_flags: 0x84,
        reserved: [0; 24],
        message: 1,
    };
    check(&reset(), &[expected.into()]);
    check(&Sbe::new(12, 9, block()), &[]);
}
