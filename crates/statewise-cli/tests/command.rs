//! The real binary on real data: what it prints, what it writes, how it fails.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use statewise::Seed;
use statewise::data::{Dataset, Table};
use statewise::infer::gaussian::GaussianOptions;
use statewise::output::ModelFile;

use common::{Scratch, column, csv};

fn series(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/series").join(name).display().to_string()
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_statewise")).args(args).output().unwrap()
}

fn stdout(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The message of a command that must fail with this exit code.
fn failure(args: &[&str], code: i32) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn two_gaussian_states_find_the_fall_of_the_nile_in_1899() {
    let scratch = Scratch::new("nile");
    let nile = series("nile.csv");
    let (model, plot, path) =
        (scratch.path("nile.json"), scratch.path("nile.svg"), scratch.path("path.csv"));
    let report = stdout(&[
        "fit",
        "gaussian-hmm",
        &nile,
        "--states",
        "2",
        "--label",
        "year",
        "--output",
        &model,
        "--plot",
        &plot,
        "--path-output",
        &path,
    ]);
    assert!(report.contains("rows 0–27 (1871–1898):  state 1"), "{report}");
    assert!(report.contains("rows 28–99 (1899–1970): state 0"), "{report}");
    for word in
        ["GaussianHMM", "emissions.means", "volume", "log-likelihood", "AIC", "dwell", "(converged)"]
    {
        assert!(report.contains(word), "no {word} in\n{report}");
    }
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("smoothed state probabilities") && svg.contains("1900")
    );

    // What the command saved is what the library loads, and gives the same path again.
    let file = ModelFile::load(&model).unwrap();
    assert_eq!(file.name, "GaussianHMM");
    let saved = Table::read_csv(&path).unwrap();
    let decoded = csv(&stdout(&["decode", &model, &nile, "--label", "year"]));
    assert_eq!(column(&decoded, "state"), column(&saved, "state"));
    assert_eq!(column(&decoded, "year")[99], 1970.0);
    let smoothed = csv(&stdout(&["smooth", &model, &nile]));
    assert_eq!(column(&smoothed, "state_1"), column(&saved, "state_1"));
    let filtered = csv(&stdout(&["filter", &model, &nile]));
    assert_eq!(column(&filtered, "state_0")[99], column(&smoothed, "state_0")[99]);
    let runs = stdout(&["decode", &model, &nile, "--label", "year", "--runs"]);
    assert!(report.ends_with(&runs), "{runs}");
}

#[test]
fn three_poisson_states_reach_the_published_likelihood_of_the_earthquakes() {
    let scratch = Scratch::new("earthquakes");
    let quakes = series("earthquakes_major_yearly.csv");
    let model = scratch.path("model.json");
    let report = stdout(&[
        "fit",
        "poisson-hmm",
        &quakes,
        "--states",
        "3",
        "--label",
        "year",
        "--restarts",
        "6",
        "--no-prior",
        "--tolerance",
        "1e-12",
        "--iterations",
        "3000",
        "-o",
        &model,
    ]);
    assert!(report.contains("-328.527"), "{report}");
    let score = csv(&stdout(&["score", &model, &quakes]));
    assert!((column(&score, "log_likelihood")[0] + 328.5275).abs() < 1e-3, "{score:?}");
    assert_eq!(column(&score, "rows"), [107.0]);

    let forecast = csv(&stdout(&["forecast", &model, &quakes, "--steps", "4"]));
    assert_eq!(column(&forecast, "steps_ahead"), [1.0, 2.0, 3.0, 4.0]);
    assert!(column(&forecast, "count_mean").iter().all(|mean| (5.0..40.0).contains(mean)));
    assert!(column(&forecast, "count_sd").iter().all(|sd| *sd > 2.0));

    let args = ["sample", &model, "--steps", "50", "--sequences", "2", "--seed", "7"];
    let sample = stdout(&args);
    assert_eq!(sample, stdout(&args), "the same seed draws the same numbers");
    assert_eq!(csv(&sample).num_rows(), 100);
    assert!(column(&csv(&sample), "count").iter().all(|y| y.fract() == 0.0 && *y >= 0.0));

    let inspected = stdout(&["inspect", &model]);
    for word in ["PoissonHMM with 3 states", "emissions.rates", "count", "from 0", "converged"] {
        assert!(inspected.contains(word), "no {word} in\n{inspected}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let quakes = series("earthquakes_major_yearly.csv");
    let fit = |threads| {
        stdout(&[
            "fit",
            "poisson-hmm",
            &quakes,
            "-k",
            "2",
            "--columns",
            "count",
            "--restarts",
            "3",
            "--threads",
            threads,
        ])
    };
    assert_eq!(fit("1"), fit("2"));
}

#[test]
fn text_columns_are_labels_in_every_command() {
    let scratch = Scratch::new("labels");
    let text = |words: &[&str]| {
        format!(
            "day,sky\n{}",
            words.iter().enumerate().map(|(i, w)| format!("{i},{w}\n")).collect::<String>()
        )
    };
    let many: Vec<&str> =
        (0..60)
            .map(|i| {
                if (i / 15) % 2 == 0 {
                    ["sun", "sun", "fog"][i % 3]
                } else {
                    ["rain", "rain", "fog"][i % 3]
                }
            })
            .collect();
    let data = scratch.write("sky.csv", &text(&many));
    let model = scratch.path("sky.json");
    let report = stdout(&["fit", "categorical-hmm", &data, "-k", "2", "--columns", "sky", "-o", &model]);
    assert!(report.contains("labels of sky: 0 = fog, 1 = rain, 2 = sun"), "{report}");
    // A file that lacks a label keeps the codes of the model.
    let few = scratch.write("few.csv", &text(&["sun", "sun", "sun"]));
    let states = column(&csv(&stdout(&["decode", &model, &few])), "state");
    assert!(states.iter().all(|z| *z == states[0]), "{states:?}");
    let sample = stdout(&["sample", &model, "--steps", "30"]);
    assert!(sample.contains(",sun\n") || sample.contains(",rain\n"), "{sample}");
    let snow = scratch.write("snow.csv", &text(&["sun", "snow"]));
    let message = failure(&["decode", &model, &snow], 1);
    assert!(message.contains("column 'sky', row 2: found snow"), "{message}");

    let message = failure(&["fit", "gaussian-hmm", &data, "-k", "2", "--columns", "sky"], 1);
    assert!(message.contains("column 'sky' holds text ('fog')"), "{message}");
    let comma = scratch.write("comma.csv", "x;y\n1,5;2\n2,5;3\n");
    let message = failure(&["fit", "gaussian-hmm", &comma, "-k", "1", "--columns", "x"], 1);
    assert!(message.contains("a dot, not a comma"), "{message}");
}

#[test]
fn an_id_column_makes_sequences() {
    let scratch = Scratch::new("ids");
    let rows: String = (0..40)
        .map(|i| format!("{},{}\n", ["b", "a"][i % 2], if i < 20 { i % 3 } else { 20 + i % 3 }))
        .collect();
    let data = scratch.write("ids.csv", &format!("who,x\n{rows}"));
    let model = scratch.path("ids.json");
    let report = stdout(&["fit", "poisson-hmm", &data, "-k", "2", "--id", "who", "-o", &model]);
    assert!(report.contains("40 rows in 2 sequences") && report.contains("sequence b"), "{report}");
    let score = csv(&stdout(&["score", &model, &data]));
    assert_eq!(score.column("who").unwrap().values.cell(0), "b");
    assert_eq!(column(&score, "rows"), [20.0, 20.0]);
}

#[test]
fn inputs_drive_the_transitions_of_a_family_that_reads_none() {
    let scratch = Scratch::new("inputs");
    let rows: String = (0..80)
        .map(|i| format!("{},{}\n", if (i / 8) % 2 == 0 { 1 + i % 2 } else { 15 + i % 3 }, (i / 8) % 2))
        .collect();
    let data = scratch.write("io.csv", &format!("y,u\n{rows}"));
    let model = scratch.path("io.json");
    let report = stdout(&["fit", "poisson-hmm", &data, "-k", "2", "--inputs", "u", "-o", &model]);
    assert!(report.contains("transitions.weights"), "{report}");
    let message = failure(&["forecast", &model, &data, "--steps", "3"], 1);
    assert!(message.contains("--future FILE with columns u"), "{message}");
    let future = scratch.write("future.csv", "u\n0\n1\n1\n");
    let forecast = csv(&stdout(&["forecast", &model, &data, "--steps", "3", "--future", &future]));
    assert_eq!(forecast.num_rows(), 3);
    assert_eq!(csv(&stdout(&["sample", &model, &future])).num_rows(), 3);
}

#[test]
fn one_family_a_column_is_written_with_a_plus() {
    let scratch = Scratch::new("channels");
    let rows: String = (0..60)
        .map(|i| format!("{}.{},{}\n", (i / 10) % 2 * 9, i % 7, ["low", "high"][(i / 10) % 2]))
        .collect();
    let data = scratch.write("mixed.csv", &format!("x,level\n{rows}"));
    let report = stdout(&["fit", "gaussian+categorical-hmm", &data, "-k", "2", "--columns", "x,level"]);
    assert!(report.contains("GaussianCategoricalHMM with 2 states"), "{report}");
}

#[test]
fn hyper_parameters_are_set_by_name() {
    let quakes = series("earthquakes_major_yearly.csv");
    let scratch = Scratch::new("set");
    let model = scratch.path("sticky.json");
    let base = ["fit", "poisson-hmm", &quakes, "-k", "2", "--columns", "count", "-q", "-o", &model];
    let sticky =
        [&base[..], &["--set", "transition_matrix_stickiness=50", "--set", "emission_prior_rate=0.5"]]
            .concat();
    assert_eq!(stdout(&sticky), "");
    let text = std::fs::read_to_string(&model).unwrap();
    assert!(
        text.contains("\"transition_matrix_stickiness\": 50")
            && text.contains("\"emission_prior_rate\": 0.5")
    );
    let message = failure(&[&base[..], &["--set", "emission_prior_rat=1"]].concat(), 1);
    assert!(
        message.contains("emission_prior_rat: this model has no such")
            && message.contains("emission_prior_rate"),
        "{message}"
    );
    let message = failure(&[&base[..], &["--set", "emission_prior_rate=-1"]].concat(), 1);
    assert!(message.contains("emission_prior_rate: found -1"), "{message}");
}

#[test]
fn a_linear_gaussian_model_is_fitted_and_used() {
    let scratch = Scratch::new("lgssm");
    let nile = series("nile.csv");
    let (model, path) = (scratch.path("lgssm.json"), scratch.path("path.csv"));
    let base = ["fit", "linear-gaussian", &nile, "--columns", "volume", "--label", "year", "-k", "1"];
    for method in ["default", "pca", "subspace"] {
        let report =
            stdout(&[&base[..], &["--method", method, "--iterations", "20", "--tolerance=-1"]].concat());
        assert!(report.contains("LinearGaussianSSM with 1 state") && report.contains("AIC"), "{report}");
    }
    let diagonal = ["--set", "emissions_cov=diagonal", "-o", &model, "--path-output", &path, "-q"];
    assert_eq!(stdout(&[&base[..], &diagonal].concat()), "");
    let inspected = stdout(&["inspect", &model]);
    for word in ["LinearGaussianSSM with 1 state", "state_dim", "\"diagonal\"", "dynamics.cov", "converged"]
    {
        assert!(inspected.contains(word), "no {word} in\n{inspected}");
    }

    // What the command prints is what the library answers on the file that it saved.
    let file = ModelFile::load(&model).unwrap();
    let params = file.build_linear_gaussian().unwrap().lower(&file.params).unwrap();
    let rows = column(&Table::read_csv(&nile).unwrap(), "volume");
    let (data, options) = (Dataset::single(rows, 1).unwrap(), GaussianOptions::default());
    let smoothed = params.smoother(&data, &options).unwrap();
    let got = csv(&stdout(&["smooth", &model, &nile, "--label", "year"]));
    assert_eq!(column(&got, "mean_0"), smoothed.smoothed.means);
    let variances = column(&got, "sd_0").iter().map(|sd| sd * sd).collect::<Vec<_>>();
    assert!((variances[50] - smoothed.smoothed.covs.of(0, 50)[0]).abs() < 1e-12 * variances[50]);
    assert_eq!(column(&got, "year")[99], 1970.0);
    assert_eq!(column(&Table::read_csv(&path).unwrap(), "mean_0"), smoothed.smoothed.means);
    let filtered = csv(&stdout(&["filter", &model, &nile]));
    assert_eq!(column(&filtered, "mean_0"), smoothed.filtered.means);
    let score = csv(&stdout(&["score", &model, &nile]));
    assert_eq!(column(&score, "log_likelihood"), params.marginal_log_prob(&data, &options).unwrap());

    let forecast = params.forecast(&data, 5, &[], &options).unwrap().remove(0);
    let args = ["forecast", &model, &nile, "--steps", "5", "--level", "0.8"];
    let got = csv(&stdout(&args));
    assert_eq!(column(&got, "volume_mean"), forecast.emission_means);
    let (lower, upper) = forecast.intervals(0.8).unwrap();
    assert_eq!((column(&got, "volume_lower"), column(&got, "volume_upper")), (lower, upper));
    let reach =
        (column(&got, "volume_upper")[0] - column(&got, "volume_mean")[0]) / column(&got, "volume_sd")[0];
    // Nine tenths of a standard normal lie below this.
    assert!((reach - 1.2815515655446004).abs() < 1e-9, "{reach}");
    let message = failure(&[&args[..5], &["--level", "1.5"]].concat(), 1);
    assert!(message.contains("level: found 1.5"), "{message}");

    let sample = csv(&stdout(&["sample", &model, "--steps", "7", "--sequences", "2"]));
    let (states, emissions) = params.sample(Seed(0), 1, 7, &[]).unwrap();
    assert_eq!(column(&sample, "state_0")[7..], states);
    assert_eq!(column(&sample, "volume")[7..], emissions);

    let message = failure(&["decode", &model, &nile], 1);
    assert!(message.contains("discrete states"), "{message}");
    let message = failure(&[&base[..], &["--plot", "nile.svg"]].concat(), 1);
    assert!(message.contains("--path-output"), "{message}");
    let message = failure(&[&base[..], &["--method", "kmeans"]].concat(), 1);
    assert!(message.contains("default, pca or subspace"), "{message}");
    let message = failure(&[&base[..], &["--set", "emission_cov=diagonal"]].concat(), 1);
    assert!(message.contains("emission_cov") && message.contains("emissions_cov"), "{message}");
    let words = scratch.write("words.csv", "volume\nhigh\nlow\n");
    let message = failure(&["smooth", &model, &words], 1);
    assert!(message.contains("column 'volume' holds text"), "{message}");
}

#[test]
fn a_structural_model_reaches_the_published_variances_of_the_nile() {
    let scratch = Scratch::new("structural");
    let nile = series("nile.csv");
    let model = scratch.path("level.json");
    let fit = ["fit", "structural", &nile, "--columns", "volume", "--components", "level", "-o", &model];
    let report = stdout(&fit);
    assert!(report.contains("StructuralTimeSeries of level") && report.contains("(converged)"), "{report}");
    // Durbin and Koopman (2012), §2.10.3: 15099 and 1469.1.
    assert!(report.contains("15098.") && report.contains("1469."), "{report}");
    let smoothed = csv(&stdout(&["smooth", &model, &nile]));
    assert!(column(&smoothed, "mean_level.level").iter().all(|z| (700.0..1300.0).contains(z)));
    let forecast = csv(&stdout(&["forecast", &model, &nile, "--steps", "3"]));
    let width: Vec<f64> = column(&forecast, "volume_sd");
    assert!(width[0] < width[1] && width[1] < width[2], "{width:?}");
    assert!(stdout(&["inspect", &model]).contains("StructuralTimeSeries of level"));
    let message = failure(&["sample", &model], 1);
    assert!(message.contains("diffuse initial state"), "{message}");

    let passengers = series("airpassengers_monthly.csv");
    let names = Table::read_csv(&passengers).unwrap();
    let counts = &names.columns().last().unwrap().name;
    let base = ["fit", "structural", &passengers, "--columns", counts, "-q", "-o", &model, "--components"];
    stdout(&[&base[..], &["trend,seasonal:12", "--set", "trend.stochastic_slope=false"]].concat());
    assert_eq!(csv(&stdout(&["forecast", &model, &passengers, "--steps", "12"])).num_rows(), 12);
    let told = |components: &[&str], word: &str| {
        let message = failure(&[&base[..], components].concat(), 1);
        assert!(message.contains(word), "{message}");
    };
    told(&["lvl"], "components: level, trend");
    told(&["seasonal"], "expected seasonal:PERIOD");
    told(&["seasonal:1"], "period");
    told(&["level", "--set", "trend.drift=true"], "trend is not among the --components");
    told(&["level", "--set", "level.drift=true"], "drift");
}

#[test]
fn a_regression_component_reads_inputs_also_in_the_future() {
    let scratch = Scratch::new("regression");
    let rows: String = (0..60)
        .map(|i| format!("{},{}\n", 3.0 * f64::from(i % 5) + f64::from(i * 7 % 11) / 10.0, i % 5))
        .collect();
    let data = scratch.write("data.csv", &format!("y,u\n{rows}"));
    let model = scratch.path("model.json");
    let fit = ["fit", "structural", &data, "--columns", "y", "--inputs", "u", "-q", "-o", &model];
    stdout(&[&fit[..], &["--components", "level,regression"]].concat());
    let message = failure(&["forecast", &model, &data, "--steps", "2"], 1);
    assert!(message.contains("--future FILE with columns u"), "{message}");
    let future = scratch.write("future.csv", "u\n0\n4\n");
    let got = csv(&stdout(&["forecast", &model, &data, "--steps", "2", "--future", &future]));
    let means = column(&got, "y_mean");
    assert!((means[1] - means[0] - 12.0).abs() < 0.5, "{means:?}");
    assert_eq!(csv(&stdout(&["smooth", &model, &data])).num_rows(), 60);
    assert_eq!(column(&csv(&stdout(&["score", &model, &data])), "rows"), [60.0]);
}

#[test]
fn mistakes_are_told_in_a_line_with_a_hint() {
    let scratch = Scratch::new("mistakes");
    let nile = series("nile.csv");
    let told = |args: &[&str], code: i32, words: &[&str]| {
        let message = failure(args, code);
        assert!(words.iter().all(|word| message.contains(word)), "{args:?}: {message}");
        assert!(!message.contains("panicked"), "{message}");
    };
    told(&["fit", "gaussian-hm", &nile, "-k", "2"], 1, &["no model 'gaussian-hm'", "poisson-hmm"]);
    told(
        &["fit", "gausian-hmm", &nile, "-k", "2", "--columns", "volume"],
        1,
        &["no model", "gaussian-hmm"],
    );
    told(&["fit", "gaussian-hmm", &nile, "-k", "2"], 1, &["year, volume", "--columns volume"]);
    told(&["fit", "gaussian-hmm", &nile, "-k", "2", "--columns", "volme"], 1, &["did you mean 'volume'"]);
    told(&["fit", "gaussian-hmm", &nile, "-k", "0", "--columns", "volume"], 1, &["num_states: found 0"]);
    told(&["fit", "gaussian-hmm", &nile, "-k", "two"], 2, &["invalid value 'two'"]);
    told(&["fit", "gaussian-hmm", "nowhere.csv", "-k", "2"], 1, &["nowhere.csv", "No such file"]);
    let ragged = scratch.write("ragged.csv", "a,b\n1,2\n3\n");
    told(&["fit", "gaussian-hmm", &ragged, "-k", "2", "--columns", "a"], 1, &["ragged.csv: line 3"]);
    let model = scratch.write("broken.json", "{\"format\": \"statewise-model\", \"version\": 9}");
    told(&["decode", &model, &nile], 1, &["broken.json", "version 9"]);
    told(&["decode", &nile, &nile], 1, &["nile.csv: not JSON"]);
    let parquet = scratch.write("broken.parquet", "PAR1 this is not Parquet PAR1");
    told(&["fit", "gaussian-hmm", &parquet, "-k", "2", "--columns", "a"], 1, &["broken.parquet"]);
    let good = scratch.path("good.json");
    stdout(&["fit", "poisson-hmm", &nile, "-k", "2", "--columns", "volume", "-q", "-o", &good]);
    let halves = scratch.write("halves.csv", "volume\n1.5\n");
    told(&["decode", &good, &halves], 1, &["emissions row 0, column 0: found 1.5"]);
    told(
        &["fit", "poisson-hmm", &nile, "-k", "2", "--columns", "volume", "-o", "/no/such/dir/m.json"],
        1,
        &["/no/such/dir/m.json"],
    );
}

#[test]
fn help_lists_commands_and_examples() {
    let help = stdout(&["--help"]);
    for command in
        ["fit", "decode", "smooth", "filter", "score", "forecast", "sample", "inspect", "Examples:"]
    {
        assert!(help.contains(command), "{help}");
    }
    assert!(stdout(&["fit", "--help"]).contains("--set <KEY=VALUE>"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_reached() {
    let scratch = Scratch::new("interrupt");
    let rows: String = (0..3_000).map(|i| format!("{}\n", (i * 7919) % 101)).collect();
    let data = scratch.write("long.csv", &format!("y\n{rows}"));
    let model = scratch.path("model.json");
    let child = Command::new(env!("CARGO_BIN_EXE_statewise"))
        .args([
            "fit",
            "poisson-hmm",
            &data,
            "-k",
            "12",
            "--iterations",
            "1000000",
            "--tolerance=-1",
            "-o",
            &model,
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stdout).contains("(interrupted)"));
    assert!(ModelFile::load(&model).is_ok());
}
