//! A SOAP service of exchange rates, on Metro (JAX-WS): one bank speaks SOAP 1.1 and another 1.2, and both have a WSDL.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tokio::sync::OnceCell;

use super::process::java;
use super::server::{Kind, Server};
use super::{ports, server};

/// The service: `/central/ExchangeRates` by SOAP 1.1 and `/commercial/ExchangeRates` by SOAP 1.2, each with `?wsdl`.
pub type Soap = Server<Setup>;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the banks know: lines of bank, currency, day, kind, units, rate, time of publication and note, parted by tabs,
    /// of which the first is these names. A kind `WITHDRAWN` is answered with a fault: the day is the last one, the note the
    /// currency that followed.
    pub rates: String,
}

impl Default for Options {
    fn default() -> Self {
        let rows = [
            "bank\tcurrency\tday\tkind\tunits\trate\tpublished_at\tnote",
            "central\tJPY\t2026-11-02+01:00\tFIXING\t100\t0.56870\t2026-11-02T14:15:00+01:00\t",
            "central\tJPY\t2026-11-03+01:00\tHOLIDAY\t100\t\t2026-11-03T14:15:00+01:00\tculture & <day>",
            "central\tHRK\t2022-12-31+01:00\tWITHDRAWN\t1\t\t\tEUR",
            "commercial\tJPY\t2026-11-02Z\tINDICATIVE\t1\t0.0056870000000001\t2026-11-02T21:00:00Z\t",
        ];
        Self { rates: rows.join("\n") }
    }
}

/// A service that was set up.
pub struct Setup {
    port: u16,
}

impl Kind for Setup {
    const NAME: &'static str = "soap";
    type Options = Options;

    async fn set_up(options: Options, folder: &Path) -> Self {
        fs::write(folder.join("rates.tsv"), options.rates).expect("one's own folder can be written to");
        Self { port: ports::take() }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = java("soap", "rates.Main");
        command.arg(self.port.to_string()).arg(folder.join("rates.tsv"));
        command
    }

    async fn is_ready(&self, _: &Path, _: &str) -> bool {
        let answer = server::http().get(format!("http://{}/asked", self.address())).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }
}

impl Setup {
    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }
}

impl Soap {
    /// The instance of this test process, with the few rates of [`Options::default`].
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Soap> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Options::default())).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.kind.address()
    }

    /// What it was asked since its start, a line each: bank, currency, and after which time, or `null`.
    pub async fn asked(&self) -> Vec<String> {
        let text = self.page("asked").await;
        text.lines().map(str::to_owned).collect()
    }

    /// What a page of it says, such as `central/ExchangeRates?wsdl`.
    ///
    /// # Panics
    ///
    /// It does not answer, or there is no such page.
    pub async fn page(&self, path: &str) -> String {
        let bytes = server::bytes(server::http().get(format!("http://{}/{path}", self.address()))).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
