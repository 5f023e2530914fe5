//! `herald campaign`: who gets what, when and how fast, and what became of it.

mod consent;
mod definition;
mod file;
mod preview;
mod shape;
mod show;
mod stats;
mod tree;
mod watch;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::consent::Consent;
use self::definition::Definition;
use self::shape::Shape;
use self::tree::Node;
use super::client::{Client, Daemon};
use super::ending::{Ending, WrongUsage};
use super::output::Output;

/// Campaigns: from a draft to what became of it.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    Create(Create),
    Edit(Edit),
    /// List the newest.
    List {
        /// draft, scheduled, running, paused, done or cancelled.
        #[arg(long)]
        status: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Show one: what it says, and when it runs next.
    Show {
        /// Its id.
        id: String,
        /// Show its runs instead, the newest first; skipped ones too.
        #[arg(long)]
        runs: bool,
    },
    /// Show what one would come to, were it started now. Nothing is sent.
    Preview {
        /// Its id.
        id: String,
    },
    Test(Test),
    Start(Start),
    /// Hold one, within a second.
    Pause {
        /// Its id.
        id: String,
    },
    /// Let a paused one go on where it stopped.
    Resume {
        /// Its id.
        id: String,
    },
    /// Give one up, with all that waits of it.
    Cancel {
        /// Its id.
        id: String,
    },
    /// Delete a draft.
    Delete {
        /// Its id.
        id: String,
    },
    /// Show what became of it: the funnel, by platform and by variant, and how long what was sent took.
    Stats {
        /// Its id.
        id: String,
        /// Of this run only.
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
    },
    /// Wait for the end of one that is scheduled or running, and show its counts meanwhile.
    ///
    /// Ends when it is done, paused or cancelled. The exit status is 0 only if it is done, something was sent and nothing failed.
    Watch {
        /// Its id.
        id: String,
    },
}

/// Make a draft, from a file or from flags; flags go over the file.
///
/// Nothing is sent before it is started.
#[derive(Args)]
struct Create {
    #[command(flatten)]
    definition: Definition,
    /// Make nothing: show the audience, the decisions, when each zone's turn is, and an example of each kind of push.
    #[arg(long)]
    dry_run: bool,
    /// Start it at once.
    #[arg(long, conflicts_with = "dry_run")]
    start: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Change a draft or a scheduled one: FILE replaces all that it says, flags alone change their fields.
#[derive(Args)]
struct Edit {
    /// Its id.
    id: String,
    #[command(flatten)]
    definition: Definition,
}

/// Send one to a few, now and past quiet hours; counted nowhere.
#[derive(Args)]
struct Test {
    /// Its id.
    id: String,
    /// To a user; may be repeated.
    #[arg(long, value_name = "USER", conflicts_with = "to_device")]
    to_user: Vec<String>,
    /// To a device; may be repeated.
    #[arg(long, value_name = "DEVICE", required_unless_present = "to_user")]
    to_device: Vec<String>,
    /// In the words of this variant [default: those that each of them would see].
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Wait, and show what becomes of it.
    #[arg(long)]
    watch: bool,
}

/// Start a draft: at once, or when its schedule says so.
#[derive(Args)]
struct Start {
    /// Its id.
    id: String,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let daemon = &arguments.daemon;
    match arguments.action {
        Action::Create(arguments) => return create(&arguments, daemon, output).await,
        Action::Edit(arguments) => return edit(&arguments, &daemon.client().await?, output).await,
        Action::Test(arguments) => return test(&arguments, &daemon.client().await?, output).await,
        Action::Start(arguments) => return start(&arguments, &daemon.client().await?, output).await,
        Action::Watch { id } => return watch::follow(&daemon.client().await?, &id, output).await,
        Action::List { status, limit } => {
            output.list(&daemon.client().await?.list(&["v1", "campaigns"], &[("status", status)], limit).await?, show::COLUMNS);
        }
        Action::Show { id, runs: false } => show::show(&daemon.client().await?.get(&["v1", "campaigns", &id], &[]).await?, output),
        Action::Show { id, runs: true } => {
            output.list(&daemon.client().await?.list(&["v1", "campaigns", &id, "runs"], &[], usize::MAX).await?, show::RUNS);
        }
        Action::Preview { id } => preview::show(&previewed(&daemon.client().await?, &json!({ "id": id })).await?, output),
        Action::Pause { id } => turn(&daemon.client().await?, &id, "pause", output).await?,
        Action::Resume { id } => turn(&daemon.client().await?, &id, "resume", output).await?,
        Action::Cancel { id } => turn(&daemon.client().await?, &id, "cancel", output).await?,
        Action::Delete { id } => {
            drop(daemon.client().await?.delete(&["v1", "campaigns", &id]).await?);
            output.say(&format!("deleted {id}"), &json!({ "id": id }));
        }
        Action::Stats { id, run } => {
            let query: Vec<(&str, String)> = run.map(|run| ("run", run)).into_iter().collect();
            stats::show(&daemon.client().await?.get(&["v1", "campaigns", &id, "stats"], &query).await?, output);
        }
    }
    Ok(Ending::Done)
}

async fn create(arguments: &Create, daemon: &Daemon, output: Output) -> anyhow::Result<Ending> {
    if arguments.definition.is_empty()? {
        return Err(WrongUsage("--file or flags say what it is".to_owned()).into());
    }
    let document = arguments.definition.document(Node::empty(), &Shape::of_campaigns()?)?;
    let client = daemon.client().await?;
    let body = document.root.to_json();
    let placed = |error| document.placed(error);
    if arguments.dry_run {
        preview::show(&previewed(&client, &body).await.map_err(placed)?, output);
        return Ok(Ending::Done);
    }
    if arguments.start && !agreed(&arguments.consent, &client, &body, output).await.map_err(placed)? {
        output.note("nothing was made");
        return Ok(Ending::Failed);
    }
    let mut campaign = client.post(&["v1", "campaigns"], &body).await.map_err(placed)?;
    let id = campaign.get("id").and_then(Value::as_str).context("the daemon answered no id")?.to_owned();
    if arguments.start {
        output.note(&format!("made {id}"));
        campaign = client.act(&["v1", "campaigns", &id, "start"]).await?;
        output.note(&show::in_short(&campaign));
    }
    output.say(&id, &campaign);
    Ok(Ending::Done)
}

async fn edit(arguments: &Edit, client: &Client, output: Output) -> anyhow::Result<Ending> {
    if arguments.definition.is_empty()? {
        return Err(WrongUsage("--file or flags say what is to be changed".to_owned()).into());
    }
    let path = ["v1", "campaigns", &arguments.id];
    let shape = Shape::of_campaigns()?;
    // flags change what somebody read; should somebody else change it meanwhile, that is told and not lost
    let (before, tag) = if arguments.definition.file.is_some() { (Value::Null, None) } else { client.get_tagged(&path).await? };
    let document = arguments.definition.document(definition_of(before, &shape), &shape)?;
    let campaign = client.put_if(&path, tag.as_deref(), &document.root.to_json()).await.map_err(|error| document.placed(error))?;
    output.say(&show::in_short(&campaign), &campaign);
    Ok(Ending::Done)
}

/// What a campaign says, without what the daemon adds to it.
fn definition_of(campaign: Value, shape: &Shape) -> Node {
    let fields = shape.fields();
    match campaign {
        Value::Object(mut members) => {
            members.retain(|name, value| !value.is_null() && fields.contains(&name.as_str()));
            Node::from_json(Value::Object(members))
        }
        _ => Node::empty(),
    }
}

async fn test(arguments: &Test, client: &Client, output: Output) -> anyhow::Result<Ending> {
    let to =
        if arguments.to_user.is_empty() { json!({ "device_ids": arguments.to_device }) } else { json!({ "user_ids": arguments.to_user }) };
    let mut body = json!({ "to": to });
    if let (Some(body), Some(variant)) = (body.as_object_mut(), &arguments.variant) {
        body.insert("variant".to_owned(), json!(variant));
    }
    let accepted = client.post(&["v1", "campaigns", &arguments.id, "test"], &body).await?;
    let id = accepted.get("id").and_then(Value::as_str).context("the daemon answered no id")?;
    if arguments.watch {
        output.note(&format!("accepted {id}"));
        return super::watch::follow(client, id, output).await;
    }
    output.say(id, &accepted);
    Ok(Ending::Done)
}

async fn start(arguments: &Start, client: &Client, output: Output) -> anyhow::Result<Ending> {
    if !agreed(&arguments.consent, client, &json!({ "id": arguments.id }), output).await? {
        output.note("it was not started");
        return Ok(Ending::Failed);
    }
    turn(client, &arguments.id, "start", output).await?;
    Ok(Ending::Done)
}

/// Whether nobody objects to what it would come to.
async fn agreed(consent: &Consent, client: &Client, body: &Value, output: Output) -> anyhow::Result<bool> {
    if consent.yes {
        return Ok(true);
    }
    let targeted = preview::targeted(&previewed(client, body).await?).context("the daemon answered no audience")?;
    Ok(consent.is_given(targeted, output)?)
}

async fn previewed(client: &Client, body: &Value) -> anyhow::Result<Value> {
    client.post_patiently(&["v1", "campaigns", "preview"], body).await
}

async fn turn(client: &Client, id: &str, step: &str, output: Output) -> anyhow::Result<()> {
    let campaign = client.act(&["v1", "campaigns", id, step]).await?;
    output.say(&show::in_short(&campaign), &campaign);
    Ok(())
}
