//! The examples on real servers: each scenario with servers, in every language it is written in.

use std::collections::BTreeSet;

use jackfield_tests::env;
use jackfield_tests::scenario::{Scenario, languages};
use jackfield_tests::servers::Soap;

/// A test for each scenario and language, named `<example>_in_<language>`.
macro_rules! scenarios {
    ($($test:ident: $example:literal in $language:literal,)+) => {
        /// Name, example and language of each test.
        const PLAYED: &[(&str, &str, &str)] = &[$((stringify!($test), $example, $language),)+];

        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                Scenario::of($example).play($language).await;
            }
        )+
    };
}

scenarios! {
    as400_ledger_in_rust: "as400-ledger" in "rust",
    fhir_patient_sync_in_js: "fhir-patient-sync" in "js",
    kafka_orders_to_postgres_in_go: "kafka-orders-to-postgres" in "go",
    kafka_orders_to_postgres_in_js: "kafka-orders-to-postgres" in "js",
    kafka_orders_to_postgres_in_python: "kafka-orders-to-postgres" in "python",
    kafka_orders_to_postgres_in_rust: "kafka-orders-to-postgres" in "rust",
    nightly_report_in_js: "nightly-report" in "js",
    s3_invoices_to_email_in_python: "s3-invoices-to-email" in "python",
    sap_idoc_to_kafka_in_go: "sap-idoc-to-kafka" in "go",
    soap_exchange_rates_in_python: "soap-exchange-rates" in "python",
}

#[test]
fn every_scenario_on_real_servers_is_played_in_every_language() {
    let mut wanted = BTreeSet::new();
    for entry in std::fs::read_dir(env::repository("guest-examples")).unwrap() {
        let example = entry.unwrap().file_name().into_string().unwrap();
        let file = env::repository(&format!("guest-examples/{example}/scenario.toml"));
        if file.is_file() && !Scenario::read(&file).servers.is_empty() {
            wanted.extend(languages(&example).into_iter().map(|language| {
                let test = format!("{}_in_{language}", example.replace('-', "_"));
                format!("{test}: \"{example}\" in \"{language}\",")
            }));
        }
    }
    let line = |(test, example, language): &(&str, &str, &str)| format!("{test}: \"{example}\" in \"{language}\",");
    let played: BTreeSet<_> = PLAYED.iter().map(line).collect();
    assert_eq!(played, wanted, "`scenarios!` has the lines on the left, and needs those on the right");
}

#[tokio::test(flavor = "multi_thread")]
async fn soap_exchange_rates_believe_what_the_wsdl_says() {
    let soap = Soap::shared().await;
    let mut command = tokio::process::Command::new("python3");
    command.arg(env::repository("guest-examples/soap-exchange-rates/check_contract.py"));
    for bank in ["central", "commercial"] {
        command.arg(format!("http://{}/{bank}/ExchangeRates?wsdl", soap.address()));
    }
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim() == "the same", "{said}{}", String::from_utf8_lossy(&output.stderr));
}
