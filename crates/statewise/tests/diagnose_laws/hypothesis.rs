//! Tests of residuals against SciPy and statsmodels (`testdata/golden/diagnostics.json`).

use serde_json::Value;
use statewise::diagnose::{
    AcfBounds, Alternative, Portmanteau, autocorrelation, consistency, heteroskedasticity, normality,
    periodogram, portmanteau,
};
use statewise_kernels::math;

const GOLDEN: &str = include_str!("../../../../testdata/golden/diagnostics.json");

fn golden() -> Value {
    serde_json::from_str(GOLDEN).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

/// Relative to `want`, with a floor of 1e-13 where it is next to nothing.
fn assert_near(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * want.abs() + 1e-13, "{what}: {got} against {want}");
}

#[test]
fn tail_probabilities_and_quantiles_equal_those_of_scipy() {
    let tails = &golden()["tails"];
    type Function<'a> = &'a dyn Fn(&[f64]) -> f64;
    let cases: [(&str, Function<'_>); 6] = [
        ("chi_squared_tail", &|r| math::chi_squared_tail(r[0], r[1])),
        ("chi_squared_quantile", &|r| math::chi_squared_quantile(r[0], r[1])),
        ("f_tail", &|r| math::f_tail(r[0], r[1], r[2])),
        ("t_two_sided_tail", &|r| math::t_two_sided_tail(r[0], r[1])),
        ("normal_cdf", &|r| math::normal_cdf(r[0])),
        ("normal_quantile", &|r| math::normal_quantile(r[0])),
    ];
    for (name, f) in cases {
        for row in rows(&tails[name]) {
            // The logarithms of Γ in a tail of 30000 degrees of freedom cost four digits.
            assert_near(&format!("{name} {row:?}"), f(&row), row[row.len() - 1], 1e-11);
        }
    }
}

#[test]
fn statistics_and_p_values_equal_those_of_statsmodels() {
    for case in golden()["series"].as_array().unwrap() {
        let (name, x) = (case["name"].as_str().unwrap(), numbers(&case["values"]));
        let lags: Vec<usize> = numbers(&case["lags"]).iter().map(|l| *l as usize).collect();
        for (kind, key) in [(Portmanteau::LjungBox, "ljung_box"), (Portmanteau::BoxPierce, "box_pierce")] {
            for (got, want) in portmanteau(&x, &lags, 0, kind).unwrap().iter().zip(rows(&case[key])) {
                assert_near(name, got.statistic, want[0], 1e-10);
                assert_near(name, got.p_value, want[1], 1e-10);
            }
        }
        let model_dof = case["model_dof"].as_u64().unwrap() as usize;
        let got = portmanteau(&x, &[10], model_dof, Portmanteau::LjungBox).unwrap()[0];
        assert_near(name, got.p_value, numbers(&case["ljung_box_adjusted"])[1], 1e-10);
        let (got, want) = (normality(&x).unwrap(), numbers(&case["normality"]));
        let values = [got.test.statistic, got.test.p_value, got.skewness, got.kurtosis];
        values.iter().zip(&want).for_each(|(g, w)| assert_near(name, *g, *w, 1e-10));
        for (alternative, key) in [
            (Alternative::TwoSided, "two-sided"),
            (Alternative::Increasing, "increasing"),
            (Alternative::Decreasing, "decreasing"),
        ] {
            let got = heteroskedasticity(&x, None, alternative).unwrap();
            let want = numbers(&case["heteroskedasticity"][key]);
            // Against a falling variance statsmodels gives 1 / H.
            let falls = alternative == Alternative::Decreasing;
            assert_near(name, if falls { 1.0 / got.statistic } else { got.statistic }, want[0], 1e-10);
            assert_near(name, got.p_value, want[1], 1e-10);
        }
        let acf = autocorrelation(&x, 8).unwrap();
        let bounds = acf.bounds(0.95, AcfBounds::Bartlett).unwrap();
        for k in 0..=8 {
            assert_near(name, acf.values[k], numbers(&case["acf"])[k], 1e-10);
            assert_near(name, bounds[k], numbers(&case["bartlett_bounds"])[k], 1e-10);
        }
        let spectrum = periodogram(&x).unwrap();
        // SciPy's first frequency is 0.
        let (frequencies, power) = (numbers(&case["frequencies"]), numbers(&case["periodogram"]));
        for (k, f) in frequencies.iter().enumerate().skip(1) {
            assert_near(name, spectrum.frequencies[k - 1], *f, 1e-12);
            assert_near(name, spectrum.power[k - 1], power[k], 1e-9);
        }
    }
}

#[test]
fn missing_values_at_either_end_change_nothing_that_pairs_decide() {
    let x = numbers(&golden()["series"][0]["values"]);
    let gaps = vec![f64::NAN; 5];
    let padded = [&gaps[..], &x, &gaps].concat();
    for kind in [Portmanteau::LjungBox, Portmanteau::BoxPierce] {
        let (got, want) = (portmanteau(&padded, &[4], 0, kind), portmanteau(&x, &[4], 0, kind));
        assert_near("padded", got.unwrap()[0].statistic, want.unwrap()[0].statistic, 1e-12);
    }
    assert_eq!(normality(&padded).unwrap().test, normality(&x).unwrap().test);
    let [got, want] =
        [&padded[..x.len() + 5], &x].map(|x| heteroskedasticity(x, None, Alternative::TwoSided).unwrap());
    assert_eq!(got, want);
}

#[test]
fn consistency_bounds_have_the_probability_asked_for() {
    // The mean of 40 squares is at the edge of its interval exactly if its p-value is 1 − level.
    let dofs = vec![1; 40];
    let squares = |mean: f64| vec![mean; 40];
    let (low, high) = consistency(&squares(1.0), &dofs, 0.9).unwrap().bounds;
    for edge in [low, high] {
        let got = consistency(&squares(edge), &dofs, 0.9).unwrap();
        assert_near("p at the edge", got.test.p_value, 0.1, 1e-10);
        assert_near("ratio", got.ratio, edge, 1e-12);
    }
}

#[test]
fn series_that_cannot_be_tested_are_errors_that_say_why() {
    let constant = vec![0.1; 30];
    let message = |e: statewise::Error| e.to_string();
    assert!(message(normality(&constant).unwrap_err()).contains("without variation"));
    assert!(message(autocorrelation(&[1.0, 2.0], 2).unwrap_err()).contains("lags"));
    let x: Vec<f64> = (0..30).map(f64::from).collect();
    assert!(message(portmanteau(&x, &[2], 2, Portmanteau::LjungBox).unwrap_err()).contains("model_dof"));
    assert!(message(heteroskedasticity(&x, Some(31), Alternative::TwoSided).unwrap_err()).contains("31"));
    assert!(message(consistency(&[1.0], &[1], 1.0).unwrap_err()).contains("level"));
}
