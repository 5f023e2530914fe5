//! What one run has in common: the rows, the time, the chance, the faults, and what is known of it all.

use std::fmt::Arguments;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeZone;
use herald::domain::device::ProviderKind;
use herald::domain::id::AppId;
use parking_lot::{Mutex, MutexGuard};

use crate::book::{Blame, Book};
use crate::chance::Chance;
use crate::clock::WallClock;
use crate::cluster::LEASE;
use crate::life::Life;
use crate::memory::Rows;
use crate::memory::queue::MemoryQueue;
use crate::planted::Flaw;
use crate::trace::Trace;
use crate::weather::Weather;

/// The only app.
pub const APP: AppId = AppId(1);

/// How the requests of a provider end that is away.
#[derive(Clone, Copy, Debug)]
pub enum Down {
    /// At once, with a failure.
    Fails,
    /// Without an answer.
    Stalls,
}

/// One run.
pub struct Sim {
    pub chance: Arc<Chance>,
    pub wall: Arc<WallClock>,
    pub trace: Trace,
    pub rows: Rows,
    pub queue: MemoryQueue,
    pub weather: Weather,
    pub flaw: Option<Flaw>,
    book: Mutex<Book>,
    is_calm: AtomicBool,
    /// The next call of this name, and how long it is on its way.
    held_up: Mutex<Option<(&'static str, Duration)>>,
    /// Until when the store cannot be reached.
    away_until: Mutex<Duration>,
    /// The provider that is away, and how its requests end.
    pub down: Mutex<Option<(ProviderKind, Down)>>,
    /// Processes that stand still, and until when.
    frozen: Mutex<Vec<(Arc<Life>, u64, Duration)>>,
}

impl Sim {
    /// The run of a seed.
    pub fn new(seed: u64, flaw: Option<Flaw>) -> Arc<Self> {
        let chance = Arc::new(Chance::of(seed));
        let weather = Weather::of(&chance);
        Self::under(weather, chance, flaw)
    }

    /// A run under this weather.
    pub fn under(weather: Weather, chance: Arc<Chance>, flaw: Option<Flaw>) -> Arc<Self> {
        let start = chrono::Utc.with_ymd_and_hms(2026, 11, 2, 21, 59, 30).unwrap();
        Arc::new(Self {
            wall: Arc::new(WallClock::starting_at(start)),
            trace: Trace::default(),
            rows: Rows::default(),
            queue: MemoryQueue::new(usize::MAX),
            flaw,
            book: Mutex::new(Book::of(&weather)),
            weather,
            chance,
            is_calm: AtomicBool::new(false),
            held_up: Mutex::default(),
            away_until: Mutex::default(),
            down: Mutex::default(),
            frozen: Mutex::default(),
        })
    }

    /// Since the run began.
    pub fn elapsed(&self) -> Duration {
        self.wall.elapsed()
    }

    pub fn note(&self, what: Arguments<'_>) {
        self.trace.add(self.elapsed(), what);
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock()
    }

    /// From now on nothing goes wrong any more.
    pub fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
        self.note(format_args!("calm"));
    }

    pub fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    /// The store cannot be reached for so long.
    pub fn take_store_away(&self, wait: Duration) {
        let now = self.elapsed();
        *self.away_until.lock() = now + wait;
        self.book().blame_all_through((now, now + wait), Blame::Everybody, "outage");
    }

    /// For how long the store will be away, if it is.
    pub fn outage(&self) -> Option<Duration> {
        let left = self.away_until.lock().saturating_sub(self.elapsed());
        (!left.is_zero() && !self.is_calm()).then_some(left)
    }

    /// A process stands still for a while, which may be longer than a lease.
    pub fn freeze(&self, life: &Arc<Life>, process: u64) {
        if life.is_frozen() {
            return;
        }
        let (now, wait) = (self.elapsed(), self.chance.millis(500, LEASE * 2_500));
        self.note(format_args!("p{process} stands still for {wait:?}"));
        self.book().blame_all_through((now, now + wait), Blame::Process(process), "freeze");
        life.freeze();
        self.frozen.lock().push((Arc::clone(life), process, now + wait));
    }

    /// Lets those go on whose time has come.
    pub fn thaw(&self) {
        let now = self.elapsed();
        self.frozen.lock().retain(|(life, process, until)| {
            let is_over = *until <= now || self.is_calm();
            if is_over {
                self.note(format_args!("p{process} goes on"));
                life.thaw();
            }
            !is_over
        });
    }

    /// The next call of this name is so long on its way.
    pub fn hold_up_next(&self, call: &'static str, wait: Duration) {
        *self.held_up.lock() = Some((call, wait));
    }

    /// For how long a call is held up, if it is.
    pub fn holds_up(&self, call: &str) -> Option<Duration> {
        self.held_up.lock().take_if(|(name, _)| *name == call).map(|(_, wait)| wait)
    }

    /// Whether a fault of this rarity happens now.
    pub fn strikes(&self, one_in: u64) -> bool {
        !self.is_calm() && self.chance.one_in(one_in)
    }
}
