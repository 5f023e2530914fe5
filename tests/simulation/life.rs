//! One life of a node's process: its tasks, which can be ended or held up wherever they are.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::BoxFuture;
use herald::dispatch::node::Tasks;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What is called when a task panics, or spins.
type OnFault = Box<dyn Fn(String) + Send + Sync>;

/// Polls at one instant that no honest task needs.
const BUSY: u64 = 200_000;

/// The tasks of one process.
pub struct Life {
    state: Mutex<State>,
    on_fault: OnFault,
}

#[derive(Default)]
struct State {
    is_dead: bool,
    is_frozen: bool,
    begun: u64,
    tasks: BTreeMap<u64, AbortHandle>,
    /// How often its tasks were polled at the present instant, since when nothing waited for time to pass.
    busy: u64,
    busy_at: Option<Instant>,
    /// Tasks that would have gone on while everything stood still.
    held_up: Vec<Waker>,
}

impl Life {
    pub fn new(on_fault: OnFault) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::default()), on_fault })
    }

    /// A handle to spawn with.
    pub fn tasks(self: &Arc<Self>) -> Arc<dyn Tasks> {
        Arc::new(LifeTasks(Arc::clone(self)))
    }

    pub fn is_dead(&self) -> bool {
        self.state.lock().is_dead
    }

    /// Ends every task at the await where it is, as kill -9 does.
    pub fn kill(&self) {
        let mut state = self.state.lock();
        state.is_dead = true;
        state.held_up.clear();
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        for task in tasks.into_values() {
            task.abort();
        }
    }

    /// Nothing of it runs until [`Life::thaw`], while the world goes on.
    pub fn freeze(&self) {
        self.state.lock().is_frozen = true;
    }

    pub fn thaw(&self) {
        let mut state = self.state.lock();
        state.is_frozen = false;
        let held_up = std::mem::take(&mut state.held_up);
        drop(state);
        held_up.into_iter().for_each(Waker::wake);
    }

    pub fn is_frozen(&self) -> bool {
        self.state.lock().is_frozen
    }
}

impl State {
    fn is_spinning(&mut self) -> bool {
        let now = Some(Instant::now());
        self.busy = if self.busy_at == now { self.busy + 1 } else { 0 };
        self.busy_at = now;
        self.busy > BUSY
    }
}

struct LifeTasks(Arc<Life>);

impl Tasks for LifeTasks {
    #[expect(clippy::disallowed_methods, reason = "this is the task set")]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let mut state = self.0.state.lock();
        if state.is_dead {
            return;
        }
        state.begun += 1;
        let number = state.begun;
        let task = tokio::spawn(Task { life: Arc::clone(&self.0), number, future: task });
        state.tasks.insert(number, task.abort_handle());
    }
}

struct Task {
    life: Arc<Life>,
    number: u64,
    future: BoxFuture<'static, ()>,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.life.state.lock();
        if state.is_dead {
            return Poll::Pending;
        }
        if state.is_spinning() {
            drop(state);
            self.life.kill();
            (self.life.on_fault)("its tasks go on for ever without waiting".to_owned());
            return Poll::Pending;
        }
        if state.is_frozen {
            state.held_up.push(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(context)));
        if matches!(polled, Ok(Poll::Pending)) {
            return Poll::Pending;
        }
        self.life.state.lock().tasks.remove(&self.number);
        if let Err(panic) = polled {
            (self.life.on_fault)(words(&*panic));
        }
        Poll::Ready(())
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
