//! The time of day of some processes, which a test can step: libfaketime answers for the system, and is off by as much as a file says.
//!
//! Time that only goes forward is left alone, as it is when somebody sets a machine's clock.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

/// One clock for as many processes as are started with its environment. It is right until it is stepped.
pub(crate) struct Clock {
    folder: TempDir,
}

impl Clock {
    /// One that is right.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // a server may run as another user
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let clock = Self { folder };
        clock.step_to(0);
        clock
    }

    /// From now on it is ahead of the right time by so many seconds, or behind.
    pub(crate) fn step_to(&self, seconds: i64) {
        let next = self.folder.path().join("next");
        std::fs::write(&next, format!("{seconds:+}\n")).unwrap();
        // in one go: who reads half a file is right again
        std::fs::rename(&next, self.file()).unwrap();
    }

    /// For a process of several threads.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.environment_of(&[&find("libfaketimeMT.so.1")])
    }

    /// For one whose allocator, a library of its own, asks for the time before it can allocate: it gets the system's.
    pub(crate) fn environment_without_allocator(&self) -> Vec<(String, String)> {
        self.environment_of(&[&find("libfaketimeMT.so.1"), "libc.so.6"])
    }

    /// For a process of one thread, which may ask for the time in a signal's handler: nothing is locked.
    pub(crate) fn environment_of_one_thread(&self) -> Vec<(String, String)> {
        self.environment_of(&[&find("libfaketime.so.1")])
    }

    fn environment_of(&self, libraries: &[&str]) -> Vec<(String, String)> {
        let file = self.file().display().to_string();
        // without the cache all processes see a step at once
        let [yes, no_cache, steady, files] = ["1", "FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"].map(str::to_owned);
        let mut all = vec![("LD_PRELOAD".to_owned(), libraries.join(" ")), ("FAKETIME_TIMESTAMP_FILE".to_owned(), file)];
        all.extend([no_cache, steady, files].map(|name| (name, yes.clone())));
        all
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

/// Debian keeps it apart from the other libraries, in a folder of the machine's kind.
fn find(library: &str) -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let mut paths = folders.map(|folder| folder.unwrap().path().join("faketime").join(library));
    let path = paths.find(|path| path.exists());
    path.unwrap_or_else(|| panic!("{library} is missing: run the tests through scripts/with-services")).display().to_string()
}
