//! Templates: what of minijinja's language they may use, and how they are filled in bounded time, memory and output.
//!
//! * [`check`] looks at a text when it is stored. What could grow without bound is not part of the language here: no texts are joined or
//!   repeated by operators, lists hold constants only, nothing recurs, nothing is captured.
//! * [`engine`] fills a text: so many instructions, so many bytes, so much time.
//! * [`filters`] are the ones there are, with what they read and write counted.

mod check;
mod engine;
mod filters;

pub use engine::{Addressee, Engine, Fault, TIME, Uses};
