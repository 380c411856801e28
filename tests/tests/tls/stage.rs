//! What the tests here have in common: an authority, a folder for files, a server, and a configuration around them.

use std::fmt::Display;

use weir_tests::{
    Origin, Weir,
    folder::Folder,
    pki::{Authority, Identity},
};

/// Everything but Weir.
pub(super) struct Stage {
    pub(super) authority: Authority,
    pub(super) origin: Origin,
    folder: Folder,
}

impl Stage {
    pub(super) fn new() -> Self {
        let (authority, origin) = (Authority::new(), Origin::saying("hello"));
        let stage = Self { authority, origin, folder: Folder::new("tls") };
        stage.file("ca.pem", &stage.authority.pem);
        stage
    }

    /// Writes a file and gives its path.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        self.folder.write(name, text).display().to_string()
    }

    /// Writes certificate and key into one file and gives its path.
    pub(super) fn pem(&self, name: &str, identity: &Identity) -> String {
        self.file(name, &identity.both())
    }

    /// The path of a file, whether it is there or not.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Puts a file into the place of another at once.
    pub(super) fn replace(&self, name: &str, text: &str) {
        let new = self.folder.write(&format!("{name}.new"), text);
        std::fs::rename(new, self.folder.path().join(name)).expect("the folder is ours");
    }

    /// One listener `web` with these `certificates` and this `tls`, before the server.
    pub(super) fn yaml(&self, certificates: &str, tls: &str) -> String {
        self.yaml_with(certificates, tls, format!("servers: [{}], health: none", self.origin))
    }

    /// The same before another pool.
    pub(super) fn yaml_with(&self, certificates: &str, tls: &str, pool: impl Display) -> String {
        format!(
            "
runtime: {{ workers: 1, state_dir: {} }}
certificates: {{ {certificates} }}
listeners:
  - name: web
    bind: 127.0.0.1:0
    tls: {{ {tls} }}
    pool: web
pools:
  web: {{ {pool} }}
",
            self.path("state")
        )
    }

    /// Starts it with one certificate for `a.example`, and this besides in `tls`.
    #[track_caller]
    pub(super) fn start(&self, tls: &str) -> Weir {
        let own = self.pem("own.pem", &self.authority.server(&["a.example"]));
        Weir::start(&self.yaml(&format!("own: {{ cert: {own} }}"), &format!("certificates: [own], {tls}")))
    }
}
