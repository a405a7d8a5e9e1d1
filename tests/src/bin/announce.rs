//! Sends one step of a scenario to a hook, signed as its sender signs it, and prints what was answered:
//! `announce --scenario FILE --url URL [--step NAME] [--id ID] [--data JSON]`; the last two in place of the step's.

use std::path::Path;

use anyhow::{Context as _, bail};
use jackfield_tests::host::post_hook;
use jackfield_tests::scenario::{Action, Scenario};
use jackfield_tests::stubs::serve;

fn main() -> anyhow::Result<()> {
    let arguments = serve::arguments(&["scenario", "url", "step", "id", "data"])?;
    let scenario = Scenario::read(Path::new(arguments.get("scenario").context("`--scenario` names a scenario.toml")?));
    let url = arguments.get("url").context("`--url` is the hook's address")?;
    let step = match arguments.get("step") {
        Some(name) => scenario.steps.iter().find(|step| step.name == *name).context("no step has that name")?,
        None => scenario.steps.first().context("the scenario has no step")?,
    };
    let Action::Announce(mut announced) = step.action.clone() else { bail!("that step is no webhook") };
    if let Some(id) = arguments.get("id") {
        announced.id.clone_from(id);
    }
    if let Some(data) = arguments.get("data") {
        announced.data.clone_from(data);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(post_hook(url, &scenario.signed(&announced), announced.data.clone()));
    let (status, _, body) = sent.context("the hook did not answer")?;
    #[expect(clippy::print_stdout, reason = "its answer is what this program is for")]
    {
        println!("{body}");
    }
    anyhow::ensure!((200..300).contains(&status), "the hook answered {status}");
    Ok(())
}
