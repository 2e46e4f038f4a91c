//! Specifications that cover all blocks and all ways to share them, with parameters and data.

use statewise::Seed;
use statewise::data::Dataset;
use statewise::model::structural::block::{
    Arma, Autoregressive, BlockSpec, Brownian, ConstantAcceleration, ConstantVelocity, Cycle, DampedTrend,
    Intervention, LocalLevel, LocalLinearTrend, Matern, OrnsteinUhlenbeck, Regression, Seasonal, Shape,
    Smoothness, TrigonometricSeasonal,
};
use statewise::model::structural::{
    Across, ComponentSpec, Irregular, StructuralSpec, StructuralTimeSeries, Time,
};
use statewise::params::Params;

/// Rows of each series of the corpus.
pub(crate) const NUM_STEPS: usize = 9;

/// Every block, with its choices.
pub(crate) fn blocks() -> Vec<BlockSpec> {
    vec![
        LocalLevel::default().into(),
        LocalLevel { stochastic: false }.into(),
        LocalLinearTrend::default().into(),
        LocalLinearTrend { stochastic_level: false, stochastic_slope: true }.into(),
        LocalLinearTrend { stochastic_level: true, stochastic_slope: false }.into(),
        LocalLinearTrend { stochastic_level: false, stochastic_slope: false }.into(),
        DampedTrend::default().into(),
        DampedTrend { stochastic_level: false, drift: true }.into(),
        Seasonal::new(4).into(),
        Seasonal { period: 2, stochastic: false }.into(),
        TrigonometricSeasonal::new(6.0, 3).into(),
        TrigonometricSeasonal { irregular: true, ..TrigonometricSeasonal::new(5.5, 2) }.into(),
        Cycle::new(3.0, 12.0).into(),
        Cycle { damped: false, ..Cycle::new(3.0, 12.0) }.into(),
        Cycle { stochastic: false, ..Cycle::new(5.0, 5.0) }.into(),
        Autoregressive { order: 1 }.into(),
        Autoregressive { order: 4 }.into(),
        Arma { ar_order: 2, ma_order: 1 }.into(),
        Arma { ar_order: 1, ma_order: 3 }.into(),
        Arma { ar_order: 0, ma_order: 2 }.into(),
        Regression { inputs: vec![1, 0], time_varying: false }.into(),
        Regression { inputs: vec![0, 1], time_varying: true }.into(),
        Intervention { shape: Shape::Step, at: 3 }.into(),
        Intervention { shape: Shape::Ramp { until: 6 }, at: 3 }.into(),
        Brownian {}.into(),
        ConstantVelocity {}.into(),
        ConstantAcceleration {}.into(),
        OrnsteinUhlenbeck {}.into(),
        Matern { smoothness: Smoothness::Half }.into(),
        Matern { smoothness: Smoothness::ThreeHalves }.into(),
        Matern { smoothness: Smoothness::FiveHalves }.into(),
    ]
}

/// A model of one block for one series, on rows of length 1 or with a column of lengths.
pub(crate) fn alone(block: BlockSpec, irregular_steps: bool) -> StructuralTimeSeries {
    let block = if irregular_steps { for_irregular_steps(block) } else { block };
    let time = if irregular_steps { Time::Step { input: 2 } } else { Time::Regular };
    let components = vec![ComponentSpec::from(block)];
    build(StructuralSpec { input_dim: 3, time, ..StructuralSpec::new(components) })
}

fn for_irregular_steps(block: BlockSpec) -> BlockSpec {
    match block {
        BlockSpec::TrigonometricSeasonal(waves) => {
            TrigonometricSeasonal { irregular: true, ..waves }.into()
        }
        other => other,
    }
}

/// Two series that share one block in one way.
pub(crate) fn shared(block: BlockSpec, across: Across, irregular: Irregular) -> StructuralTimeSeries {
    let level = ComponentSpec::from(LocalLevel::default()).named("own").of_series(vec![1]);
    let components = vec![level, ComponentSpec::from(for_irregular_steps(block)).across(across)];
    build(StructuralSpec {
        emission_dim: 2,
        input_dim: 3,
        irregular,
        time: Time::Stamp { input: 2 },
        ..StructuralSpec::new(components)
    })
}

/// All ways to share a component.
pub(crate) const SHARING: [(Across, Irregular); 4] = [
    (Across::Independent, Irregular::Independent),
    (Across::EqualVariance, Irregular::EqualVariance),
    (Across::Correlated, Irregular::Correlated),
    (Across::Common, Irregular::Independent),
];

/// All models of the corpus.
pub(crate) fn models() -> Vec<StructuralTimeSeries> {
    let mut models = Vec::new();
    for block in blocks() {
        models.push(alone(block.clone(), false));
        models.push(alone(block.clone(), true));
        models.extend(SHARING.map(|(across, noise)| shared(block.clone(), across, noise)));
    }
    let sum: Vec<ComponentSpec> = vec![
        LocalLinearTrend::default().into(),
        Seasonal::new(3).into(),
        Cycle::new(3.0, 12.0).into(),
        Autoregressive { order: 2 }.into(),
        Regression { inputs: vec![0], time_varying: true }.into(),
    ];
    models.push(build(StructuralSpec { input_dim: 3, ..StructuralSpec::new(sum) }));
    models
}

pub(crate) fn build(spec: StructuralSpec) -> StructuralTimeSeries {
    StructuralTimeSeries::new(spec).unwrap()
}

/// Series without structure, two regressors, and a third column that serves as steps and as stamps.
pub(crate) fn data(model: &StructuralTimeSeries) -> Dataset<'static> {
    let wave = |i: usize| (1.7 * i as f64).sin() + 0.3 * (0.9 * (i * i) as f64).cos();
    let rows: Vec<f64> = (0..NUM_STEPS * model.emission_dim()).map(|i| 2.0 + wave(i)).collect();
    let stamps = [0.5, 0.75, 1.5, 2.0, 3.5, 3.75, 5.0, 6.5, 7.0];
    let inputs = stamps.iter().enumerate().flat_map(|(t, s)| [wave(t + 3), wave(2 * t + 1), *s]);
    let data = Dataset::single(rows, model.emission_dim()).unwrap();
    match model.input_dim() {
        0 => data,
        dim => data.with_inputs(inputs.collect::<Vec<f64>>(), dim).unwrap(),
    }
}

/// Parameters away from any special value.
pub(crate) fn params(model: &StructuralTimeSeries) -> Params {
    model.initialize(&data(model), Some(Seed(7)), &[]).unwrap().0
}
