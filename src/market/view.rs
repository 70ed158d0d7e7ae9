//! Owns the typed views of an event: one per kind, all of 48 bytes.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives make hidden types, which the lint reports where a macro calls them"
)]

use super::{EventKind, Head, LevelAction, MarketEvent, Symbol};
use crate::record::BODY_BYTES;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute, transmute_ref};

/// Declares each view once: its struct, its kind, its name and its arm of [`MarketEvent::view`].
/// `IntoBytes` refuses implicit padding, so a body that does not fill its 28 bytes says so with a
/// `reserved` field.
macro_rules! views {
    ($(
        $(#[$meta:meta])*
        $view:ident = $kind:literal, $constant:ident, $name:literal {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty, )*
        }
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
            #[repr(C)]
            pub struct $view {
                /// What every event begins with.
                pub head: Head,
                $( $(#[$field_meta])* pub $field: $type, )*
                /// Low 32 bits of the venue's number of the message.
                pub message: u32,
            }

            const _: () = assert!(size_of::<$view>() == BODY_BYTES);

            impl From<$view> for MarketEvent {
                /// Copies the view and sets the kind to the view's own, whatever its head says.
                fn from(view: $view) -> Self {
                    let mut event: Self = transmute!(view);
                    event.head.kind = EventKind::$constant;
                    event
                }
            }
        )*

        impl EventKind {
            $(
                #[doc = concat!("[`", stringify!($view), "`].")]
                pub const $constant: Self = Self($kind);
            )*

            /// Every kind that has a view.
            pub const ALL: &[Self] = &[$( Self::$constant ),*];

            /// Returns the name that reports use, or `None` for a kind that has no view.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $kind => Some($name), )*
                    _ => None,
                }
            }
        }

        /// An event, read as its kind says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum View<'a> {
            $(
                #[doc = concat!("See [`", stringify!($view), "`].")]
                $view(&'a $view),
            )*
            /// A kind that this version does not know.
            Unknown(&'a MarketEvent),
        }

        impl MarketEvent {
            /// Reads the event as its kind says, without copying.
            ///
            /// Hot path: no allocation, no system call, O(1).
            #[must_use]
            pub fn view(&self) -> View<'_> {
                match self.head.kind.0 {
                    $( $kind => View::$view(transmute_ref!(self)), )*
                    _ => View::Unknown(self),
                }
            }
        }
    };
}

views! {
    /// An order joined the book. `head.side` is its side.
    AddOrder = 1, ADD_ORDER, "add_order" {
        /// The venue's number of the order.
        order_id: u64,
        /// Limit price × 10⁹.
        price_e9: i64,
        /// Shares or contracts shown.
        quantity: u64,
        /// The participant who shows the order, ASCII; zeros for an anonymous one.
        attribution: [u8; 4],
    }

    /// Part or all of an order in the book traded.
    Execute = 2, EXECUTE, "execute" {
        /// The order that rested in the book.
        order_id: u64,
        /// The price × 10⁹ where it is not the order's own, else [`NO_PRICE`](super::NO_PRICE).
        price_e9: i64,
        /// The venue's number of the match, which a [`TradeBreak`] refers to.
        match_id: u64,
        /// What traded, to be taken from the order.
        quantity: u32,
    }

    /// Part of an order was cancelled; it keeps its place.
    Cancel = 3, CANCEL, "cancel" {
        /// The order.
        order_id: u64,
        /// What was cancelled, to be taken from the order.
        quantity: u64,
        /// Zero.
        reserved: [u8; 12],
    }

    /// An order left the book.
    Delete = 4, DELETE, "delete" {
        /// The order.
        order_id: u64,
        /// Zero.
        reserved: [u8; 20],
    }

    /// An order left the book and another, of the same instrument and side, came in its stead.
    Replace = 5, REPLACE, "replace" {
        /// The order that left.
        order_id: u64,
        /// The order that came, last in its level's queue.
        new_order_id: u64,
        /// Price × 10⁹ of the new order.
        price_e9: i64,
        /// Shares or contracts of the new order.
        quantity: u32,
    }

    /// A trade against an order that the book never showed. `head.side` is that order's side.
    Trade = 6, TRADE, "trade" {
        /// The venue's number of the hidden order; NASDAQ sends 0.
        order_id: u64,
        /// Price × 10⁹.
        price_e9: i64,
        /// The venue's number of the match.
        match_id: u64,
        /// Shares or contracts.
        quantity: u32,
    }

    /// A cross: an auction's single print.
    CrossTrade = 7, CROSS_TRADE, "cross_trade" {
        /// Shares matched, 0 when nothing crossed.
        quantity: u64,
        /// Price × 10⁹.
        price_e9: i64,
        /// The venue's number of the match.
        match_id: u64,
        /// Which cross, the venue's letter (NASDAQ: `O` opening, `C` closing, `H` IPO or halt, …).
        cross_type: u8,
        /// Zero.
        reserved: [u8; 3],
    }

    /// The venue took a trade back. The book is as it was.
    TradeBreak = 8, TRADE_BREAK, "trade_break" {
        /// The match that is void.
        match_id: u64,
        /// Price × 10⁹ of the trade, where the venue repeats it: see `quantity`.
        price_e9: i64,
        /// Shares or contracts of the trade; 0 where the venue repeats neither it nor the price.
        quantity: u32,
        /// The trade's own conditions, as in [`LastSale`].
        conditions: u8,
        /// Zero.
        reserved: [u8; 7],
    }

    /// What an auction would trade now. Its prices follow as [`ImbalancePrices`], one group.
    Imbalance = 9, IMBALANCE, "imbalance" {
        /// Shares that could be matched at the reference price.
        paired_quantity: u64,
        /// Shares that could not.
        imbalance_quantity: u64,
        /// The venue's letter (NASDAQ: `B` buy, `S` sell, `N` none, `O` too few orders, `P` paused).
        /// `head.side` has it where it is a side.
        direction: u8,
        /// Which cross, as in [`CrossTrade`].
        cross_type: u8,
        /// How far the near price is from the reference price, the venue's letter.
        price_variation: u8,
        /// How often the auction was extended (IEX).
        extensions: u8,
        /// When the auction is to be held, UNIX seconds; 0 where the venue does not tell (IEX).
        scheduled_s: u32,
        /// Zero.
        reserved: [u8; 4],
    }

    /// The prices of the [`Imbalance`] before it.
    ImbalancePrices = 10, IMBALANCE_PRICES, "imbalance_prices" {
        /// Where the auction's own orders would cross × 10⁹, as the venue sends it (0 for none).
        far_price_e9: i64,
        /// Where the auction's and the book's orders would cross × 10⁹ (0 for none).
        near_price_e9: i64,
        /// The price × 10⁹ at which the quantities were computed.
        reference_price_e9: i64,
        /// Which cross, as in [`CrossTrade`].
        cross_type: u8,
        /// Zero.
        reserved: [u8; 3],
    }

    /// Whether an instrument trades.
    Status = 11, STATUS, "status" {
        /// The venue's letter (NASDAQ: `T` trading, `Q` quotation only, `P` paused, `H` halted).
        state: u8,
        /// A byte that the venue keeps for later.
        venue_reserved: u8,
        /// Why, the venue's ASCII code.
        reason: [u8; 4],
        /// Zero.
        reserved: [u8; 22],
    }

    /// Whether short sales are restricted.
    ShortSale = 12, SHORT_SALE, "short_sale" {
        /// The venue's digit (NASDAQ: `0` none, `1` since today, `2` since yesterday). IEX sends the
        /// number 0 or 1, not the digit.
        action: u8,
        /// Why, the venue's letter (IEX); 0 where it does not tell.
        detail: u8,
        /// Zero.
        reserved: [u8; 26],
    }

    /// A market maker's standing in an instrument.
    Participant = 13, PARTICIPANT, "participant" {
        /// The participant, ASCII.
        participant: [u8; 4],
        /// `Y` for a primary market maker.
        primary: u8,
        /// The venue's letter for the kind of quoting (NASDAQ: `N` normal, `P` passive, …).
        mode: u8,
        /// The venue's letter (NASDAQ: `A` active, `E` excused, `W` withdrawn, …).
        state: u8,
        /// Zero.
        reserved: [u8; 21],
    }

    /// An instrument's reference data: what a later event's `head.instrument` stands for. Letters
    /// are the venue's. All but the symbol is zero with [`Flags::DERIVED`](super::Flags::DERIVED).
    Instrument = 14, INSTRUMENT, "instrument" {
        /// Name.
        symbol: Symbol,
        /// Shares in a round lot.
        round_lot: u32,
        /// Leverage factor of an exchange-traded product.
        etp_leverage: u32,
        /// Where it is listed.
        market_category: u8,
        /// Deficient, delinquent, bankrupt and so on.
        financial_status: u8,
        /// `Y` where only round lots may be entered.
        round_lots_only: u8,
        /// Kind of security.
        issue_class: u8,
        /// Finer kind of security.
        issue_subtype: [u8; 2],
        /// `P` live, `T` a test instrument.
        authenticity: u8,
        /// `Y` where the issue is on the short-sale threshold list.
        short_sale_threshold: u8,
        /// `Y` for a new issue that an IPO brings.
        ipo: u8,
        /// Tier of the limit-up limit-down bands: the digit, from IEX the number.
        price_band_tier: u8,
        /// `Y` for an exchange-traded product.
        etp: u8,
        /// `Y` for an inverse exchange-traded product.
        inverse: u8,
    }

    /// The venue's day moved on.
    System = 15, SYSTEM, "system" {
        /// The venue's letter (NASDAQ: `O` first message, `S` system open, `Q` market open, `M`
        /// market closed, `E` system closed, `C` last message; IEX sends `R` for `Q`).
        code: u8,
        /// Zero.
        reserved: [u8; 27],
    }

    /// At which index levels the whole market halts today.
    CircuitBreakerLevels = 16, CIRCUIT_BREAKER_LEVELS, "circuit_breaker_levels" {
        /// First level × 10⁹.
        level1_e9: i64,
        /// Second level × 10⁹.
        level2_e9: i64,
        /// Third level × 10⁹.
        level3_e9: i64,
        /// Zero.
        reserved: [u8; 4],
    }

    /// The index fell through a level: the whole market halts.
    CircuitBreaker = 17, CIRCUIT_BREAKER, "circuit_breaker" {
        /// `1`, `2` or `3`.
        level: u8,
        /// Zero.
        reserved: [u8; 27],
    }

    /// When a new issue will begin to be quoted.
    IpoQuote = 18, IPO_QUOTE, "ipo_quote" {
        /// When, counted as `head.ts_event_ns` is; 0 where the venue gave no time.
        ts_release_ns: u64,
        /// Price × 10⁹.
        price_e9: i64,
        /// The venue's letter (NASDAQ: `A` anticipated, `C` cancelled or postponed).
        qualifier: u8,
        /// Zero.
        reserved: [u8; 11],
    }

    /// The prices between which the auction that ends a pause may print.
    Collar = 19, COLLAR, "collar" {
        /// Reference price × 10⁹.
        reference_price_e9: i64,
        /// Upper bound × 10⁹.
        upper_price_e9: i64,
        /// Lower bound × 10⁹.
        lower_price_e9: i64,
        /// How often the collar was widened.
        extensions: u32,
    }

    /// One market of the venue's operator stopped or resumed an instrument.
    OperationalHalt = 20, OPERATIONAL_HALT, "operational_halt" {
        /// The market's letter (NASDAQ: `Q` Nasdaq, `B` BX, `X` PSX); 0 where the venue has but one
        /// (IEX).
        market: u8,
        /// The venue's letter (NASDAQ: `H` halted, `T` resumed; IEX: `O` halted, `N` not).
        action: u8,
        /// Zero.
        reserved: [u8; 26],
    }

    /// Retail orders that want to trade inside the spread.
    RetailInterest = 21, RETAIL_INTEREST, "retail_interest" {
        /// The venue's letter (NASDAQ: `B` buy, `S` sell, `A` both, `N` none; IEX: `A` buy, `B` sell,
        /// `C` both, a space for none). `head.side` has it where it is a side.
        interest: u8,
        /// Zero.
        reserved: [u8; 27],
    }

    /// Price discovery of a direct listing with a capital raise. The rest follows as
    /// [`DirectListingCollar`], one group.
    DirectListing = 22, DIRECT_LISTING, "direct_listing" {
        /// Lowest price × 10⁹ at which it may open.
        min_price_e9: i64,
        /// Highest price × 10⁹ at which it may open.
        max_price_e9: i64,
        /// Where it would open now × 10⁹.
        near_price_e9: i64,
        /// `Y` where it may open at the near price.
        open_eligible: u8,
        /// Zero.
        reserved: [u8; 3],
    }

    /// The time and the collar of the [`DirectListing`] before it.
    DirectListingCollar = 23, DIRECT_LISTING_COLLAR, "direct_listing_collar" {
        /// When the near price was set: the venue's number as it came, because no sample was found
        /// that would confirm its unit.
        near_time: u64,
        /// Lower bound × 10⁹.
        lower_price_e9: i64,
        /// Upper bound × 10⁹.
        upper_price_e9: i64,
        /// Zero.
        reserved: [u8; 4],
    }

    /// The best bid and offer changed (IEX TOPS). A quantity of 0 means that the side is empty.
    Quote = 24, QUOTE, "quote" {
        /// Bid price × 10⁹.
        bid_price_e9: i64,
        /// Offer price × 10⁹.
        ask_price_e9: i64,
        /// Shares bid.
        bid_quantity: u32,
        /// Shares offered.
        ask_quantity: u32,
        /// The venue's bits (IEX: `0x80` halted or not available, `0x40` outside regular hours).
        venue_flags: u8,
        /// Zero.
        reserved: [u8; 3],
    }

    /// One price level of a book changed. `head.side` is its side.
    ///
    /// A level is addressed by its price where `level` is 0 (IEX DEEP), and by its place in the book
    /// otherwise (CME). With [`Flags::SNAPSHOT`](super::Flags::SNAPSHOT) it is one of a whole book.
    Level = 25, LEVEL, "level" {
        /// Price × 10⁹; [`NO_PRICE`](super::NO_PRICE) where the venue gave none.
        price_e9: i64,
        /// Shares or contracts at the level now; [`NO_QUANTITY`](super::NO_QUANTITY) where the venue
        /// gave none.
        quantity: u32,
        /// How many orders these are; [`NO_QUANTITY`](super::NO_QUANTITY) where the venue does not
        /// tell.
        orders: u32,
        /// The venue's count of updates of this instrument (CME RptSeq); 0 where it keeps none.
        report: u32,
        /// Quantity that can trade now (CME, newer templates);
        /// [`NO_QUANTITY`](super::NO_QUANTITY) where the venue does not tell.
        tradeable_quantity: u32,
        /// Place in the book, from 1 for the best; 0 where the price is the address.
        level: u8,
        /// What becomes of it.
        action: LevelAction,
        /// The venue's letter for the kind of entry (CME: `0` bid, `1` offer, `E` and `F` implied bid
        /// and offer, `J` book reset); for IEX the message type (`8` buy, `5` sell).
        entry_type: u8,
        /// The venue's bits (IEX: 1 event complete; CME: match event indicator).
        venue_flags: u8,
    }

    /// A trade, as the venue reports it to all: beside the book, whose own updates tell what became
    /// of it. `head.side` is the aggressor's, where the venue tells.
    LastSale = 26, LAST_SALE, "last_sale" {
        /// Price × 10⁹.
        price_e9: i64,
        /// The venue's number of the trade; 0 where it gave none.
        trade_id: u64,
        /// Shares or contracts.
        quantity: u32,
        /// How many orders took part; [`NO_QUANTITY`](super::NO_QUANTITY) where the venue does not
        /// tell.
        orders: u32,
        /// The venue's bits (IEX: sale conditions; CME: match event indicator).
        conditions: u8,
        /// What became of it: CME corrects and deletes trades in the same message.
        action: LevelAction,
        /// Zero.
        reserved: [u8; 2],
    }

    /// One order's part in the [`LastSale`] before it, one group.
    TradeOrder = 27, TRADE_ORDER, "trade_order" {
        /// The order.
        order_id: u64,
        /// What of it traded.
        quantity: u32,
        /// The venue's count of updates of this instrument, as of the trade (CME RptSeq).
        report: u32,
        /// Zero.
        reserved: [u8; 12],
    }

    /// An order of a book that the venue shows order by order was entered, changed or removed, as
    /// `action` says. `head.side` is its side. It stands alone, or tells of an order at one of the
    /// [`Level`]s before it, one group.
    BookOrder = 28, BOOK_ORDER, "book_order" {
        /// The order; 0 where the venue gave none.
        order_id: u64,
        /// Price × 10⁹, of the level where it stands at one; [`NO_PRICE`](super::NO_PRICE) where the
        /// venue gave none.
        price_e9: i64,
        /// Contracts shown; [`NO_QUANTITY`](super::NO_QUANTITY) where the venue gave none.
        quantity: u32,
        /// What becomes of it.
        action: LevelAction,
        /// As in [`Level`]; 0 where the venue does not say at which level it stands. `head.instrument`
        /// is 0 then, too.
        entry_type: u8,
        /// The venue's bits (CME: match event indicator).
        venue_flags: u8,
        /// Zero.
        reserved: [u8; 5],
    }

    /// The priority of the [`BookOrder`] before it, one group.
    OrderPriority = 29, ORDER_PRIORITY, "order_priority" {
        /// The order.
        order_id: u64,
        /// The lower, the earlier.
        priority: u64,
        /// Zero.
        reserved: [u8; 12],
    }

    /// Contracts traded in the session so far.
    Volume = 30, VOLUME, "volume" {
        /// Contracts.
        quantity: u32,
        /// The venue's count of updates of this instrument.
        report: u32,
        /// What becomes of it.
        action: LevelAction,
        /// The venue's bits (CME: match event indicator).
        venue_flags: u8,
        /// Zero.
        reserved: [u8; 18],
    }

    /// A figure of the day: opening, high, low, settlement and the like.
    Statistic = 31, STATISTIC, "statistic" {
        /// Price × 10⁹; [`NO_PRICE`](super::NO_PRICE) where the venue gave none.
        price_e9: i64,
        /// Contracts; [`NO_QUANTITY`](super::NO_QUANTITY) where the venue gave none.
        quantity: u32,
        /// The venue's count of updates of this instrument.
        report: u32,
        /// The venue's letter for the figure (CME: `4` open, `6` settlement, `7` high, `8` low, …).
        entry_type: u8,
        /// What becomes of it.
        action: LevelAction,
        /// The venue's number for an opening or closing figure (CME OpenCloseSettlFlag; 255 for none).
        open_close: u8,
        /// The venue's bits (CME: match event indicator).
        venue_flags: u8,
        /// Days since the UNIX epoch of the day that the figure is of; 65,535 where the venue gave
        /// none.
        reference_date: u16,
        /// The venue's bits for a settlement price (CME: 1 final, 2 actual, 4 rounded, 8 intraday;
        /// 255, or `0x80` set, for none).
        settlement: u8,
        /// Zero.
        reserved: [u8; 5],
    }

    /// The state of an instrument, or of a group of them where `head.instrument` is 0 (CME).
    SecurityStatus = 32, SECURITY_STATUS, "security_status" {
        /// The group, ASCII, padded with zeros.
        group: [u8; 6],
        /// The asset, ASCII, padded with zeros.
        asset: [u8; 6],
        /// Days since the UNIX epoch of the trade date; 65,535 where the venue gave none.
        trade_date: u16,
        /// The venue's number of the state (CME: 2 halt, 17 ready to trade, 21 pre-open, …; 255 none).
        status: u8,
        /// The venue's number of why.
        halt_reason: u8,
        /// The venue's number of what happened.
        event: u8,
        /// The venue's bits (CME: match event indicator).
        venue_flags: u8,
        /// Zero.
        reserved: [u8; 10],
    }

    /// A whole book follows as [`Level`]s with [`Flags::SNAPSHOT`](super::Flags::SNAPSHOT), one
    /// group, after [`PriceLimits`].
    SnapshotStart = 33, SNAPSHOT_START, "snapshot_start" {
        /// When the book last changed: UNIX nanoseconds.
        ts_updated_ns: u64,
        /// The packet number of the incremental feed up to which the book is complete.
        last_sequence: u32,
        /// How many instruments this round of snapshots has.
        reports: u32,
        /// The venue's count of updates of this instrument, as of this book.
        report: u32,
        /// Days since the UNIX epoch of the trade date; 65,535 where the venue gave none.
        trade_date: u16,
        /// As in [`SecurityStatus`].
        status: u8,
        /// Zero.
        reserved: [u8; 5],
    }

    /// Between which prices an instrument may trade. With [`Flags::SNAPSHOT`](super::Flags::SNAPSHOT)
    /// it belongs to the [`SnapshotStart`] before it, one group.
    PriceLimits = 34, PRICE_LIMITS, "price_limits" {
        /// Highest price × 10⁹; [`NO_PRICE`](super::NO_PRICE) for none.
        high_price_e9: i64,
        /// Lowest price × 10⁹; [`NO_PRICE`](super::NO_PRICE) for none.
        low_price_e9: i64,
        /// How far a price may move × 10⁹; [`NO_PRICE`](super::NO_PRICE) for none.
        max_variation_e9: i64,
        /// The venue's count of updates of this instrument.
        report: u32,
    }

    /// Every book of the feed is empty from now on, and complete.
    ChannelReset = 35, CHANNEL_RESET, "channel_reset" {
        /// The venue's number of the channel: the first that the message names, 0 where it names none.
        channel: i16,
        /// How many channels the message names; 1 wherever a feed is one channel.
        channels: u8,
        /// The venue's bits (CME: match event indicator).
        venue_flags: u8,
        /// Zero.
        reserved: [u8; 24],
    }

    /// A price that the venue made official.
    OfficialPrice = 36, OFFICIAL_PRICE, "official_price" {
        /// Price × 10⁹.
        price_e9: i64,
        /// The venue's letter (IEX: `Q` opening, `M` closing), or `P` for the previous close,
        /// adjusted for what happened to the shares since.
        price_type: u8,
        /// The venue's bits of the message.
        venue_flags: u8,
        /// Zero.
        reserved: [u8; 18],
    }

    /// Something about an instrument's day (IEX DEEP: `O` opening process complete, `C` closing
    /// process complete).
    SecurityEvent = 37, SECURITY_EVENT, "security_event" {
        /// The venue's letter.
        code: u8,
        /// Zero.
        reserved: [u8; 27],
    }

    /// The best bid and offer of an instrument's book changed, or whether to trust them. Derived
    /// from the book ([`crate::book`]), as are all kinds that follow.
    Bbo = 38, BBO, "bbo" {
        /// The highest that is bid × 10⁹; [`NO_PRICE`](super::NO_PRICE) where nobody bids.
        bid_price_e9: i64,
        /// The lowest that is asked × 10⁹; [`NO_PRICE`](super::NO_PRICE) where nobody offers.
        ask_price_e9: i64,
        /// Shares or contracts bid at that price, 0 where nobody bids; 4,294,967,294 also stands
        /// for more.
        bid_quantity: u32,
        /// Shares or contracts offered at that price, 0 where nobody offers; 4,294,967,294 also
        /// stands for more.
        ask_quantity: u32,
        /// Whether to trust them ([`Trust::code`](crate::book::Trust::code)): 0 yes, 1 yes and both
        /// sides are empty, 2 halted, 3 recovering, 4 stale.
        trust: u8,
        /// Zero.
        reserved: [u8; 3],
    }

    /// A trade, however the venue told of it. `head.side` is the aggressor's, where it is known.
    Print = 39, PRINT, "print" {
        /// Price × 10⁹.
        price_e9: i64,
        /// The venue's number of the match or of the trade; 0 where it gave none.
        match_id: u64,
        /// Shares or contracts.
        quantity: u64,
        /// How it was told: 1 an order of the book was executed, 2 a hidden order was, 3 a cross, 4
        /// a report beside the book.
        source: u8,
        /// Zero.
        reserved: [u8; 3],
    }

    /// A bar, all prints of a stretch of time or of trade. `head.ts_event_ns` is when it began. The
    /// rest follows as [`BarClose`], one group.
    Bar = 40, BAR, "bar" {
        /// Price × 10⁹ of its first print.
        open_price_e9: i64,
        /// Highest price × 10⁹.
        high_price_e9: i64,
        /// Lowest price × 10⁹.
        low_price_e9: i64,
        /// How many prints it has, at least 1.
        trades: u32,
    }

    /// The rest of the [`Bar`] before it. `head.ts_event_ns` is when it ended.
    BarClose = 41, BAR_CLOSE, "bar_close" {
        /// Price × 10⁹ of its last print.
        close_price_e9: i64,
        /// The sum of price × quantity over the sum of quantities × 10⁹: exact, then rounded down.
        vwap_e9: i64,
        /// Shares or contracts.
        volume: u64,
        /// Which of the configured rules made it, counted from 0.
        rule: u8,
        /// Why it ended: 1 time, 2 number of prints, 3 volume, 4 the session or the run ended.
        end: u8,
        /// Zero.
        reserved: [u8; 2],
    }

    /// The volume-weighted average price of an instrument since the session's start, with each bar
    /// that closes. `head.ts_event_ns` is when the bar ended.
    Vwap = 42, VWAP, "vwap" {
        /// The sum of price × quantity over the sum of quantities × 10⁹: exact, then rounded down.
        vwap_e9: i64,
        /// Shares or contracts.
        volume: u64,
        /// How many prints these are.
        trades: u32,
        /// Zero.
        reserved: [u8; 8],
    }
}

impl Instrument {
    /// Makes an instrument of which only the name is known.
    #[must_use]
    pub const fn named(head: Head, symbol: Symbol, message: u32) -> Self {
        Self {
            head,
            symbol,
            round_lot: 0,
            etp_leverage: 0,
            market_category: 0,
            financial_status: 0,
            round_lots_only: 0,
            issue_class: 0,
            issue_subtype: [0; 2],
            authenticity: 0,
            short_sale_threshold: 0,
            ipo: 0,
            price_band_tier: 0,
            etp: 0,
            inverse: 0,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Flags, NO_PRICE, Side};
    use super::*;
    use std::collections::BTreeSet;

    const HEAD: Head = Head {
        ts_event_ns: 0x0807_0605_0403_0201,
        instrument: 0x0c0b_0a09,
        feed: 0x0d,
        kind: EventKind(0),
        side: Side::BUY,
        flags: Flags::LAST,
    };

    #[test]
    fn a_view_reads_back_what_was_written_and_lies_as_documented() {
        let add = AddOrder {
            head: HEAD,
            order_id: 0x1817_1615_1413_1211,
            price_e9: NO_PRICE,
            quantity: 0x2827_2625_2423_2221,
            attribution: *b"MMKR",
            message: 0x3433_3231,
        };
        let event = MarketEvent::from(add);
        let kind = EventKind::ADD_ORDER;
        assert_eq!(
            event.view(),
            View::AddOrder(&AddOrder {
                head: Head { kind, ..HEAD },
                ..add
            })
        );

        let mut expected = [0; 48];
        expected[..13].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        expected[13..16].copy_from_slice(&[1, b'B', 1]);
        expected[16..24].copy_from_slice(&[0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
        expected[31] = 0x80;
        expected[32..40].copy_from_slice(&[0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28]);
        expected[40..44].copy_from_slice(b"MMKR");
        expected[44..].copy_from_slice(&[0x31, 0x32, 0x33, 0x34]);
        assert_eq!(event.as_bytes(), expected);
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_any_other_byte_is_unknown() {
        let names: BTreeSet<_> = EventKind::ALL
            .iter()
            .filter_map(|kind| kind.name())
            .collect();
        assert_eq!(names.len(), EventKind::ALL.len());
        for byte in 0..=u8::MAX {
            let kind = EventKind(byte);
            let event = MarketEvent {
                head: Head { kind, ..HEAD },
                body: [byte; 28],
                message: 9,
            };
            let known = EventKind::ALL.contains(&kind);
            assert_eq!(matches!(event.view(), View::Unknown(_)), !known);
            assert!(!format!("{event:?}").is_empty());
        }
    }
}
