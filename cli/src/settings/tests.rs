//! Layers, refusals, and the documentation.

use std::collections::BTreeSet;
use std::path::Path;

use flotilla_core::job_type::{ExecSpec, HandlerSpec, HttpSpec, JobType};

use super::*;

fn load(toml: &str, environment: &[(&str, &str)], flags: Overrides) -> Result<Settings, Problem> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.toml");
    std::fs::write(&file, toml).unwrap();
    let owned = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(&Sources {
        file: Some(file),
        environment: Environment::new(owned),
        flags,
    })
}

fn refused(toml: &str, environment: &[(&str, &str)]) -> String {
    load(toml, environment, Overrides::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let toml = "listen = \"127.0.0.1:1\"\nshards = 3\n[worker]\nconcurrency = 10\nprefetch = 7\n";
    let environment = [
        ("FLOTILLA_LISTEN", "127.0.0.1:2"),
        ("FLOTILLA_WORKER_CONCURRENCY", "20"),
    ];
    let flags = Overrides::default().set("listen", Some("127.0.0.1:3"));
    let settings = load(toml, &environment, flags).unwrap();
    assert_eq!(settings.listen.address.port(), 3);
    assert_eq!(settings.worker.concurrency, 20);
    assert_eq!(settings.worker.prefetch, Some(7));
    assert_eq!(settings.shards, 3);
    assert_eq!(settings.wait, Duration::from_secs(30));
}

#[test]
fn nothing_set_is_the_embedded_engine() {
    let settings = load("", &[("FLOTILLA_STORE_URL", "")], Overrides::default()).unwrap();
    assert_eq!(settings.engines, Engines::embedded(Path::new("./flotilla-data")));
    assert!(settings.job_types.get("echo").is_some());
    let moved = load("data = \"/srv/fleet\"", &[], Overrides::default()).unwrap();
    assert_eq!(moved.engines, Engines::embedded(Path::new("/srv/fleet")));
}

#[test]
fn an_unknown_key_names_its_file_and_what_was_meant() {
    let text = refused("stor_url = \"sqlite://x\"", &[]);
    assert!(
        text.contains("fleet.toml") && text.contains("`store_url`"),
        "{text}"
    );
    let text = refused("[worker]\nconcurency = 3", &[]);
    assert!(text.contains("did you mean `worker.concurrency`?"), "{text}");
    let text = refused("[worker]\nconcurrency = 3\nlisten = \"127.0.0.1:1\"", &[]);
    assert!(
        text.contains("`listen` must come before the first [section]"),
        "{text}"
    );
    let text = refused("[worker]\n[worker.deep]\nx = 3", &[]);
    assert!(text.contains("`worker.deep`"), "{text}");
    let text = refused("", &[("FLOTILLA_SHARD", "3")]);
    assert!(text.contains("did you mean FLOTILLA_SHARDS?"), "{text}");
}

#[test]
fn an_unknown_key_of_a_job_type_is_refused_too() {
    let text = refused(
        "[job_types.a]\nhandler = { kind = \"echo\" }\ntimout = \"3s\"",
        &[],
    );
    assert!(
        text.contains("fleet.toml") && text.contains("did you mean `timeout`?"),
        "{text}"
    );
    let text = refused("[job_types.a]\nhandler = { kind = \"ecko\" }", &[]);
    assert!(text.contains("job_types.a") && text.contains("echo"), "{text}");
    let text = refused("[job_types.a]\ntimeout = \"3s\"", &[]);
    assert!(text.contains("job_types.a") && text.contains("handler"), "{text}");
}

#[test]
fn spaces_have_shares_and_ceilings() {
    let toml = "\
        [spaces.team-a]\nweight = 3\nconcurrency = 50\n\
        [spaces.team-b]\nrate_per_s = 2.5\n\
        [job_types.enrich]\nhandler = { kind = \"echo\" }\nconcurrency = 4\n";
    let settings = load(toml, &[], Overrides::default()).unwrap();
    let space = |name: &str| name.parse::<flotilla_core::Space>().unwrap();
    assert_eq!(settings.spaces.weights.get(&space("team-a")), Some(&3));
    assert_eq!(settings.spaces.weights.len(), 1);
    let ceilings = settings.ceilings();
    let over: Vec<_> = ceilings.over(&space("team-a"), "enrich").collect();
    assert_eq!(over.len(), 2);
    assert!(over.iter().any(|(_, ceiling)| ceiling.concurrency == Some(50)));
    assert!(over.iter().any(|(_, ceiling)| ceiling.concurrency == Some(4)));
    assert_eq!(ceilings.over(&space("team-b"), "echo").count(), 1);
    assert_eq!(ceilings.over(&space("team-c"), "echo").count(), 0);
}

#[test]
fn retention_is_said_in_three_places() {
    let toml = "\
        keep = \"90d\"\n\
        retention = { inputs = \"30d\", archive = true }\n\
        [spaces.team-a]\nretention = { results = \"10d\" }\n\
        [job_types.enrich]\nhandler = { kind = \"echo\" }\nretention = { outputs = \"1h\" }\n";
    let settings = load(
        toml,
        &[("FLOTILLA_RETENTION_OUTPUTS", "7d")],
        Overrides::default(),
    )
    .unwrap();
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let retention = &settings.api.retention;
    let elsewhere = retention.of(&flotilla_core::Space::default());
    assert_eq!(
        (
            elsewhere.inputs,
            elsewhere.outputs,
            elsewhere.results,
            elsewhere.archive
        ),
        (days(30), days(7), days(90), Some(true)),
        "`keep` is for what is not said"
    );
    assert_eq!(retention.of(&"team-a".parse().unwrap()).results, days(10));
    let enrich = settings.job_types.get("enrich").unwrap().retention;
    assert_eq!(enrich.outputs, Some(Duration::from_secs(3_600)));
    for (bad, part) in [
        ("[retention]\ninput = \"3d\"", "`retention.inputs`"),
        ("[retention]\ninputs = \"40000d\"", "36500 days"),
        ("[spaces.a]\nretention = { inputs = \"40000d\" }", "36500 days"),
        ("[spaces.a]\nretention = { input = \"3d\" }", "inputs"),
    ] {
        let text = refused(bad, &[]);
        assert!(
            text.contains(part) && text.contains("fleet.toml"),
            "{bad}: {text}"
        );
    }
    let text = refused(
        "[job_types.a]\nhandler = { kind = \"echo\" }\nretention = { results = \"40000d\" }",
        &[],
    );
    assert!(text.contains("job_types.a: retention.results"), "{text}");
}

#[test]
fn a_bad_space_is_refused() {
    let text = refused("[spaces.a]\nwieght = 3", &[]);
    assert!(
        text.contains("fleet.toml") && text.contains("did you mean `weight`?"),
        "{text}"
    );
    for bad in [
        "[spaces.a]\nweight = 0",
        "[spaces.a]\nconcurrency = 0",
        "[spaces.a]\nrate_per_s = 0.0",
        "[spaces.\"no name\"]\nweight = 1",
        "[spaces.a]\nweight = \"three\"",
        "[spaces]\nweight = 3",
    ] {
        let text = refused(bad, &[]);
        assert!(
            text.contains("spaces") && text.contains("fleet.toml"),
            "{bad}: {text}"
        );
    }
}

#[test]
fn times_have_their_range() {
    let settings = load(
        "cancel_grace = 0",
        &[("FLOTILLA_OPEN_TTL", "2h")],
        Overrides::default(),
    )
    .unwrap();
    assert_eq!(settings.cancel_grace, Duration::ZERO);
    assert_eq!(settings.open_ttl, Duration::from_secs(7_200));
    assert!(refused("open_ttl = \"5s\"", &[]).contains("`open_ttl`"));
    assert!(refused("public_url = \"fleet\"", &[]).contains("`public_url`"));
}

#[test]
fn a_bad_value_names_where_it_was_written() {
    let text = refused("", &[("FLOTILLA_LISTEN", "nowhere")]);
    assert!(text.contains("FLOTILLA_LISTEN"), "{text}");
    let text = refused("shards = 0", &[]);
    assert!(text.contains("`shards`") && text.contains("fleet.toml"), "{text}");
    let text = refused("shards = \"two\"", &[]);
    assert!(text.contains("`shards`") && text.contains("fleet.toml"), "{text}");
    let text = refused("listen = ", &[]);
    assert!(text.contains("fleet.toml is not valid"), "{text}");
    let flags = Overrides::default().set("store_url", Some("mysql://ann:s3cret@db/x"));
    let text = load("", &[], flags).unwrap_err().to_string();
    assert!(
        text.contains("--store-url") && text.contains("mysql") && !text.contains("s3cret"),
        "{text}"
    );
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let sources = Sources {
        file: Some("/nowhere/fleet.toml".into()),
        ..Sources::default()
    };
    let text = Settings::load(&sources).unwrap_err().to_string();
    assert!(text.contains("/nowhere/fleet.toml"), "{text}");
}

#[test]
fn pools_of_job_types_have_queues() {
    let toml = "[job_types.render]\nhandler = { kind = \"echo\" }\npool = \"gpu\"\n";
    let settings = load(
        toml,
        &[("FLOTILLA_WORKER_POOLS", "cpu, big")],
        Overrides::default(),
    )
    .unwrap();
    let names = |pools: &[flotilla_core::Pool]| pools.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        names(&settings.topology().pools),
        ["big", "cpu", "default", "gpu"]
    );
    assert_eq!(names(&settings.worker.own_pools()), ["cpu", "big"]);
}

/// Every setting, as it is called in `flotilla.toml` and in the environment.
#[test]
fn every_setting_is_documented() {
    let page = include_str!("../../../docs/configuration.md");
    for path in keys::all() {
        assert!(
            page.contains(&format!("`{path}`")),
            "`{path}` is not in docs/configuration.md"
        );
        if !keys::NAMED.contains(&path.as_str()) {
            let variable = keys::variable(&path);
            assert!(
                page.contains(&format!("`{variable}`")),
                "{variable} is not in docs/configuration.md"
            );
        }
    }
    for key in job_type_keys().into_iter().chain(spaces::keys()) {
        assert!(
            page.contains(&format!("`{key}`")),
            "`{key}` of a job type or a space is not in docs/configuration.md"
        );
    }
}

fn job_type_keys() -> BTreeSet<String> {
    let kinds = [
        HandlerSpec::Exec(ExecSpec::new(vec!["true".into()])),
        HandlerSpec::Http(HttpSpec::new("http://x".into())),
    ];
    let mut keys = BTreeSet::new();
    for kind in kinds {
        // With everything that may be left out.
        let full = JobType {
            callback_timeout: Some(Duration::from_secs(1)),
            concurrency: Some(1),
            rate_per_s: Some(1.0),
            worker_concurrency: Some(1),
            ..JobType::new(kind)
        };
        let job_type = serde_json::to_value(full).unwrap();
        keys.extend(job_type.as_object().unwrap().keys().cloned());
        for nested in ["handler", "backoff"] {
            keys.extend(job_type[nested].as_object().unwrap().keys().cloned());
        }
    }
    keys
}

#[test]
fn the_example_file_is_valid_with_and_without_its_comments() {
    let example = include_str!("../../../flotilla.example.toml");
    load(example, &[], Overrides::default()).unwrap();
    // `#setting = …` is a setting that is commented out; `# text` is text.
    let enabled: Vec<&str> = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with([' ', '#']) => setting,
            _ => line,
        })
        .collect();
    load(&enabled.join("\n"), &[], Overrides::default()).unwrap();
}

#[test]
fn schemas_of_items_are_read_with_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.toml");
    let load = |toml: &str| {
        std::fs::write(&file, toml).unwrap();
        Settings::load(&Sources {
            file: Some(file.clone()),
            environment: Environment::new([]),
            flags: Overrides::default(),
        })
    };
    std::fs::write(folder.path().join("item.json"), r#"{"type": "integer"}"#).unwrap();
    std::fs::write(folder.path().join("list.json"), "[1]").unwrap();
    let job_type =
        |schema: &str| format!("[job_types.a]\nhandler = {{ kind = \"echo\" }}\nschema = {schema}\n");
    let inline = "{ type = \"object\", properties = { url = { type = \"string\" } } }";
    for (schema, expected) in [("\"item.json\"", "integer"), (inline, "object")] {
        let settings = load(&job_type(schema)).unwrap();
        let found = settings.job_types.get("a").unwrap().schema.clone().unwrap();
        assert_eq!(found.document().unwrap()["type"], expected);
    }
    for (schema, parts) in [
        ("\"missing.json\"", ["missing.json", "No such file"]),
        ("\"list.json\"", ["list.json", "not a JSON object"]),
        ("{ type = \"integr\" }", ["job_types.a.schema", "/type"]),
        ("{ pattern = \"(?=x)\" }", ["job_types.a.schema", "/pattern"]),
    ] {
        let text = load(&job_type(schema)).unwrap_err().to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{schema}: {text}");
    }
}
