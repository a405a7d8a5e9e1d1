//! The stub server of GitHub, for `make run` and people: data and credentials are a scenario's.

fn main() -> anyhow::Result<()> {
    jackfield_tests::stubs::serve::from_arguments("github")
}
