//! Curves of training: bounds over epochs, and the divergence below.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use statewise_deep::learn::{EpochRecord, FitReport};

use super::axis::tick;
use super::{Area, Drawn, FAINT, FOOTER, GRID, HEADER, INK, PANEL, WIDTH, anchor, colour, text};
use crate::failure::Failure;

/// The panel of the bounds is twice as high as that of the divergence.
const BOUNDS: u32 = 2 * PANEL;

/// One curve: its name, its colour's number, and its points.
struct Curve {
    name: &'static str,
    colour: usize,
    points: Vec<(f64, f64)>,
}

/// Draws a fit's history as SVG.
pub(crate) fn curves(title: &str, subtitle: &str, report: &FitReport) -> Result<String, Failure> {
    let history = &report.history;
    let curve = |name, colour, of: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let point =
            |record: &EpochRecord| Some((record.epoch as f64, of(record).filter(|y| y.is_finite())?));
        Curve { name, colour, points: history.iter().filter_map(point).collect() }
    };
    let bounds = [
        curve("training bound", 0, &|record| Some(record.train_bound)),
        curve("validation bound", 1, &|record| record.valid_bound),
    ];
    let parts = [curve("divergence q to p", 2, &|record| Some(record.kl))];
    let best = report.best_valid_bound.map(|_| report.best_epoch as f64);
    let mut svg = String::new();
    {
        let size = (WIDTH, HEADER + BOUNDS + PANEL + FOOTER);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = (|| {
            root.fill(&WHITE)?;
            header(&root, title, subtitle, &bounds)?;
            let (_, below) = root.split_vertically(HEADER);
            let (upper, below) = below.split_vertically(BOUNDS);
            let (lower, footer) = below.split_vertically(PANEL);
            let epochs = history.len();
            panel(&upper, "upper bound of -log p(x), nats per time step", epochs, &bounds, best)?;
            panel(&lower, "divergence, nats per time step", epochs, &parts, None)?;
            let style = text(13).color(&FAINT).pos(anchor(HPos::Center, VPos::Top));
            footer.draw(&Text::new("epoch", (WIDTH as i32 / 2 + 24, 0), style))?;
            root.present()
        })();
        drawn.map_err(|e| Failure::new(format!("the plot cannot be drawn: {e}")))?;
    }
    Ok(svg)
}

/// Title, a line on the data and the legend.
fn header(root: &Area<'_>, title: &str, subtitle: &str, curves: &[Curve]) -> Drawn {
    root.draw(&Text::new(title.to_owned(), (66, 14), text(16)))?;
    let left = anchor(HPos::Left, VPos::Center);
    root.draw(&Text::new(subtitle.to_owned(), (66, 49), text(13).color(&FAINT).pos(left)))?;
    let mut x = WIDTH as i32 - 24;
    for curve in curves.iter().rev().filter(|curve| !curve.points.is_empty()) {
        x -= 7 * curve.name.len() as i32;
        root.draw(&Text::new(curve.name, (x, 49), text(13).pos(left)))?;
        x -= 18;
        root.draw(&Rectangle::new([(x, 43), (x + 12, 55)], colour(curve.colour).filled()))?;
        x -= 16;
    }
    Ok(())
}

fn panel(area: &Area<'_>, title: &str, epochs: usize, curves: &[Curve], best: Option<f64>) -> Drawn {
    let (low, high) = limits(curves);
    let mut chart = ChartBuilder::on(area)
        .margin_right(24)
        .margin_top(24)
        .x_label_area_size(28)
        .y_label_area_size(66)
        .build_cartesian_2d(1.0..(epochs as f64).max(2.0), low..high)?;
    area.draw(&Text::new(title.to_owned(), (66, 6), text(13).color(&INK)))?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .disable_x_mesh()
        .axis_style(GRID)
        .x_labels(11)
        .y_labels(7)
        .x_label_formatter(&|x| if x.fract() == 0.0 { tick(*x) } else { String::new() })
        .y_label_formatter(&|y| tick(*y))
        .label_style(text(12).color(&FAINT))
        .draw()?;
    if let Some(best) = best {
        let style = INK.mix(0.4).stroke_width(1);
        chart.draw_series([PathElement::new([(best, low), (best, high)], style)])?;
    }
    for Curve { colour: number, points, .. } in curves {
        let style = colour(*number).stroke_width(2);
        chart.draw_series(
            clipped(points, low, high).into_iter().map(|part| PathElement::new(part, style)),
        )?;
        if points.len() == 1 {
            let dot = |point: &(f64, f64)| Circle::new(*point, 3, colour(*number).filled());
            chart.draw_series(points.iter().map(dot))?;
        }
    }
    Ok(())
}

/// The parts of a curve between two ordinates, ending where it crosses them.
fn clipped(points: &[(f64, f64)], low: f64, high: f64) -> Vec<Vec<(f64, f64)>> {
    let inside = |y: f64| (low..=high).contains(&y);
    let mut parts = vec![Vec::new()];
    for (i, &(x, y)) in points.iter().enumerate() {
        if let Some(&(x0, y0)) = i.checked_sub(1).map(|before| &points[before]) {
            let mut within = inside(y0);
            let bounds = if y > y0 { [low, high] } else { [high, low] };
            for bound in bounds.into_iter().filter(|bound| (y0 < *bound) != (y < *bound)) {
                let crossing = (x0 + (bound - y0) / (y - y0) * (x - x0), bound);
                parts.last_mut().into_iter().for_each(|part| part.push(crossing));
                within = !within;
                if !within {
                    parts.push(Vec::new());
                }
            }
        }
        if inside(y) {
            parts.last_mut().into_iter().for_each(|part| part.push((x, y)));
        }
    }
    parts.retain(|part| part.len() > 1);
    parts
}

/// The range of the ordinate. The first epochs can be so far above all others that these would be one
/// line: what lies above the first tenth of the epochs is cut off.
fn limits(curves: &[Curve]) -> (f64, f64) {
    let late = curves.iter().flat_map(|curve| curve.points.iter().skip(curve.points.len() / 10));
    let (low, high) =
        late.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, y)| (low.min(*y), high.max(*y)));
    if low > high {
        return (0.0, 1.0);
    }
    let pad = if high > low { 0.07 * (high - low) } else { 1.0 };
    (low - pad, high + pad)
}
