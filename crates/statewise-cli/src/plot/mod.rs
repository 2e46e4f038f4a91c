//! The drawing of `--plot`: one panel a column, coloured by decoded state, and the smoothed state
//! probabilities below; of a deep Markov model the curves of its training.

mod axis;
mod curves;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use statewise::model::hmm::Hmm;
use statewise::params::Params;

use axis::{Axis, tick};
pub(crate) use curves::curves;

use crate::failure::Failure;
use crate::report::run_lengths;
use crate::source::Source;

/// Panels for columns; further columns are left out.
const MAX_PANELS: usize = 4;

const WIDTH: u32 = 1000;
const HEADER: u32 = 64;
const PANEL: u32 = 210;
const PROBS: u32 = 150;
const FOOTER: u32 = 22;

const INK: RGBColor = RGBColor(38, 43, 51);
const FAINT: RGBColor = RGBColor(120, 126, 135);
const GRID: RGBColor = RGBColor(232, 234, 237);
const LINE: RGBColor = RGBColor(150, 156, 166);

/// Distinct also to colour-blind eyes (Okabe and Ito, reordered and slightly muted).
const STATES: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(230, 126, 34),
    RGBColor(22, 150, 110),
    RGBColor(190, 75, 145),
    RGBColor(200, 165, 20),
    RGBColor(95, 180, 225),
    RGBColor(170, 55, 45),
    RGBColor(110, 110, 120),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the rows of a dataset with their decoded states and state probabilities as SVG.
pub(crate) fn draw(
    (title, subtitle): (&str, &str),
    source: &Source,
    hmm: &Hmm,
    params: &Params,
    states: &[u32],
    probs: &[f64],
) -> Result<String, Failure> {
    let axis = Axis::new(source);
    let num_panels = source.data.dataset.width().min(MAX_PANELS);
    let height = HEADER + PANEL * num_panels as u32 + PROBS + FOOTER;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let drawn = (|| {
            root.fill(&WHITE)?;
            header(&root, title, subtitle, hmm.num_states())?;
            let (_, below) = root.split_vertically(HEADER);
            let mut rest = below;
            for column in 0..num_panels {
                let (panel, next) = rest.split_vertically(PANEL);
                series(&panel, &axis, source, column, states, levels(hmm, params, column))?;
                rest = next;
            }
            let (panel, footer) = rest.split_vertically(PROBS);
            probabilities(&panel, &axis, hmm.num_states(), probs)?;
            let style = text(13).color(&FAINT).pos(anchor(HPos::Center, VPos::Top));
            footer.draw(&Text::new(axis.title.clone(), (WIDTH as i32 / 2 + 24, 0), style))?;
            root.present()
        })();
        drawn.map_err(|e| Failure::new(format!("the plot cannot be drawn: {e}")))?;
    }
    Ok(svg)
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn text(size: u32) -> TextStyle<'static> {
    TextStyle::from(("Helvetica, Arial, sans-serif", size).into_font()).color(&INK)
}

fn anchor(h: HPos, v: VPos) -> Pos {
    Pos::new(h, v)
}

fn colour(state: usize) -> RGBColor {
    STATES[state % STATES.len()]
}

/// Title, a line on the data and the legend of states.
fn header(root: &Area<'_>, title: &str, subtitle: &str, num_states: usize) -> Drawn {
    root.draw(&Text::new(title.to_owned(), (66, 14), text(19)))?;
    let left = anchor(HPos::Left, VPos::Center);
    root.draw(&Text::new(subtitle.to_owned(), (66, 49), text(13).color(&FAINT).pos(left)))?;
    let mut x = WIDTH as i32 - 24;
    for state in (0..num_states.min(12)).rev() {
        let name = format!("state {state}");
        x -= 46;
        root.draw(&Text::new(name, (x, 49), text(13).pos(left)))?;
        x -= 18;
        root.draw(&Rectangle::new([(x, 43), (x + 12, 55)], colour(state).filled()))?;
        x -= 16;
    }
    Ok(())
}

/// The level of each state in a column, where the family has one number for it.
fn levels<'p>(hmm: &Hmm, params: &'p Params, column: usize) -> Option<Vec<&'p f64>> {
    let level = |path| params.get(hmm.schema(), path);
    let array = level("emissions.means").or_else(|| level("emissions.rates"))?;
    let fits = array.shape() == [hmm.num_states(), hmm.emission_width()];
    fits.then(|| array.values().iter().skip(column).step_by(hmm.emission_width()).collect())
}

/// One column over time: bands of colour, the series, its points, and the level of each state.
fn series(
    area: &Area<'_>,
    axis: &Axis,
    source: &Source,
    column: usize,
    states: &[u32],
    levels: Option<Vec<&f64>>,
) -> Drawn {
    let data = &source.data.dataset;
    let name = &source.selection.columns[column];
    let y: Vec<f64> = (0..axis.x.len()).map(|t| data.rows()[t * data.width() + column]).collect();
    let seen = y.iter().filter(|y| !y.is_nan());
    let (low, high) = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), y| (a.min(*y), b.max(*y)));
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    let pad = if high > low { 0.07 * (high - low) } else { 1.0 };
    let labels = source.data.labels.get(name);

    let mut chart = ChartBuilder::on(area)
        .margin_right(24)
        .margin_top(24)
        .margin_bottom(8)
        .y_label_area_size(66)
        .build_cartesian_2d(axis.range(), low - pad..high + pad)?;
    area.draw(&Text::new(name.clone(), (66, 6), text(13).color(&INK)))?;
    let runs: Vec<_> = axis
        .sequences
        .iter()
        .flat_map(|range| {
            let runs = run_lengths(&states[range.clone()]).into_iter();
            runs.map(|run| run.start + range.start..run.end + range.start)
        })
        .collect();
    for run in &runs {
        let (left, right) = axis.band(run.start, run.end - 1);
        let fill = colour(states[run.start] as usize).mix(0.13).filled();
        chart.draw_series([Rectangle::new([(left, low - pad), (right, high + pad)], fill)])?;
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .bold_line_style(WHITE.mix(0.9))
        .light_line_style(TRANSPARENT)
        .axis_style(TRANSPARENT)
        .y_labels(labels.map_or(7, Vec::len))
        .y_label_formatter(&|y| match labels {
            Some(labels) if y.fract() == 0.0 && *y >= 0.0 => {
                labels.get(*y as usize).cloned().unwrap_or_default()
            }
            Some(_) => String::new(),
            None => tick(*y),
        })
        .label_style(text(12).color(&FAINT))
        .draw()?;
    separators(&mut chart, axis, low - pad, high + pad)?;
    if column == 0 {
        sequence_names(&mut chart, axis, &source.data.ids, high + pad)?;
    }

    if let Some(levels) = levels {
        for run in &runs {
            let (left, right) = axis.band(run.start, run.end - 1);
            let state = states[run.start] as usize;
            let style = colour(state).mix(0.85).stroke_width(2);
            chart.draw_series([PathElement::new(
                [(left, *levels[state]), (right, *levels[state])],
                style,
            )])?;
        }
    }
    // Between labels there is nothing to connect.
    let connected = labels.is_none();
    let line = |from: &std::ops::Range<usize>| from.clone().map(|t| (axis.x[t], y[t])).collect::<Vec<_>>();
    for points in axis.sequences.iter().filter(|_| connected).map(line) {
        for piece in points.split(|(_, y)| y.is_nan()).filter(|piece| piece.len() > 1) {
            let style = LINE.mix(if y.len() > 600 { 0.6 } else { 1.0 }).stroke_width(1);
            chart.draw_series([PathElement::new(piece.to_vec(), style)])?;
        }
    }
    let size = match y.len() {
        0..=250 => 3,
        251..=1200 => 2,
        _ => 1,
    };
    let points = (0..y.len()).filter(|t| !y[*t].is_nan());
    chart.draw_series(
        points.map(|t| Circle::new((axis.x[t], y[t]), size, colour(states[t] as usize).filled())),
    )?;
    Ok(())
}

/// p(z_t = k | y) stacked up to one, and the x axis of all panels.
fn probabilities(area: &Area<'_>, axis: &Axis, num_states: usize, probs: &[f64]) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin_right(24)
        .margin_top(24)
        .x_label_area_size(28)
        .y_label_area_size(66)
        .build_cartesian_2d(axis.range(), 0.0..1.0)?;
    area.draw(&Text::new("smoothed state probabilities", (66, 6), text(13).color(&INK)))?;
    for range in &axis.sequences {
        let (left, right) = axis.band(range.start, range.end - 1);
        let steps: Vec<usize> = range.clone().collect();
        let x: Vec<f64> = steps
            .iter()
            .enumerate()
            .map(|(i, t)| match i {
                0 => left,
                _ if i + 1 == steps.len() => right,
                _ => axis.x[*t],
            })
            .collect();
        let mut base = vec![0.0; steps.len()];
        for state in 0..num_states {
            let top: Vec<f64> = steps
                .iter()
                .zip(&base)
                .map(|(t, base)| (base + probs[t * num_states + state]).min(1.0))
                .collect();
            let outline = x.iter().copied().zip(top.iter().copied());
            let back = x.iter().copied().zip(base.iter().copied()).rev();
            let mut points: Vec<(f64, f64)> = outline.chain(back).collect();
            if steps.len() == 1 {
                points = vec![(left, top[0]), (right, top[0]), (right, base[0]), (left, base[0])];
            }
            chart.draw_series([Polygon::new(points, colour(state).mix(0.75).filled())])?;
            base = top;
        }
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(GRID)
        .x_labels(11)
        .y_labels(3)
        .y_label_formatter(&|y| tick(*y))
        .x_label_formatter(&|x| axis.name(*x))
        .label_style(text(12).color(&FAINT))
        .draw()?;
    separators(&mut chart, axis, 0.0, 1.0)
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// A thin line between sequences.
fn separators(chart: &mut Chart<'_, '_>, axis: &Axis, low: f64, high: f64) -> Drawn {
    for range in axis.sequences.iter().skip(1) {
        let (left, _) = axis.band(range.start, range.start);
        chart.draw_series([PathElement::new([(left, low), (left, high)], INK.mix(0.5).stroke_width(1))])?;
    }
    Ok(())
}

/// The ids of sequences that are wide enough for them, inside the panel at its top.
fn sequence_names(chart: &mut Chart<'_, '_>, axis: &Axis, ids: &[String], top: f64) -> Drawn {
    let style = text(11).color(&FAINT).pos(anchor(HPos::Left, VPos::Top));
    for (range, id) in axis.sequences.iter().zip(ids) {
        let (left, right) = axis.band(range.start, range.end - 1);
        let from = chart.backend_coord(&(left, top));
        let room = chart.backend_coord(&(right, top)).0 - from.0;
        if 7 * id.chars().count() as i32 + 6 < room {
            let place = chart.plotting_area().strip_coord_spec();
            let (x, y) = place.get_base_pixel();
            place.draw(&Text::new(id.clone(), (from.0 - x + 4, from.1 - y + 3), style.clone()))?;
        }
    }
    Ok(())
}
