//! Owns the plot as SVG: all runs and the machine's own noise, over nines.

#![allow(clippy::float_arithmetic, reason = "both axes are logarithmic")]

use super::curve::{Axes, Curve, duration, percent};
use anyhow::{Context as _, Result};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use std::ops::Range;

const SIZE: (u32, u32) = (1_000, 620);
const FONT: &str = "sans-serif";
/// Of curves in order, dark enough on white and told apart without red and green: those of Okabe
/// and Ito, then of Tol. Three stages at four rates have one each.
const COLOURS: [RGBColor; 12] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
    RGBColor(136, 34, 85),
    RGBColor(51, 34, 136),
    RGBColor(153, 153, 51),
    RGBColor(68, 170, 153),
    RGBColor(136, 87, 40),
];
const NOISE: RGBColor = RGBColor(120, 120, 120);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// Draws `curves`. `comments` go into the description.
///
/// # Errors
///
/// Never on this data; the library that draws could.
pub(super) fn plot(title: &str, curves: &[Curve], comments: &[String]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, title, curves)
        .ok()
        .context("cannot draw the plot")?;
    Ok(describe(&svg, comments))
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, title: &str, curves: &[Curve]) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let axes = Axes::around(curves);
    // A hair more than the powers of ten at both ends, so that these have labels.
    let us = axes.us_min * 0.999..axes.us_max * 1.001;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, (FONT, 20))
        .margin(16)
        .margin_right(40)
        .x_label_area_size(52)
        .y_label_area_size(84)
        .build_cartesian_2d(Nines(axes), us.log_scale())?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(WHITE)
        .axis_style(BLACK)
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .y_label_formatter(&|us| duration(*us))
        .x_desc("percentile of messages, by nines")
        .y_desc("latency from the time at which a message was due")
        .draw()?;
    for (index, curve) in curves.iter().enumerate() {
        let colour = match curve.is_noise {
            true => NOISE,
            false => COLOURS[index % COLOURS.len()],
        };
        let style = colour.stroke_width(2);
        let points = curve.points.iter().copied();
        let series = match curve.is_noise {
            true => chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?,
            false => chart.draw_series(LineSeries::new(points, style))?,
        };
        series
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.9))
        .border_style(GRID)
        .label_font((FONT, 15))
        .legend_area_size(32)
        .margin(10)
        .draw()?;
    root.present()?;
    Ok(())
}

/// The horizontal axis.
struct Nines(Axes);

impl Ranged for Nines {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, nines: &f64, (left, right): (i32, i32)) -> i32 {
        let (x, _) = self.0.place((*nines, self.0.us_min));
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a share of a width is no wider"
        )]
        let offset = (x * f64::from(right - left)).round() as i32;
        left + offset
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.0.labelled_nines()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.0.nines_max
    }
}

impl ValueFormatter<f64> for Nines {
    fn format(nines: &f64) -> String {
        percent(*nines)
    }
}

/// Puts the comments where SVG has a place for them: first in the picture.
fn describe(svg: &str, comments: &[String]) -> String {
    let text = comments.join("\n");
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let (head, body) = svg
        .find("<svg")
        .and_then(|start| Some(start + svg[start..].find('>')? + 1))
        .map_or(("", svg), |end| svg.split_at(end));
    format!("{head}\n<desc>\n{text}\n</desc>{body}")
}

#[cfg(test)]
mod tests {
    use super::super::curve::curves;
    use super::super::measured::tests::measured;
    use super::super::setup::Stage;
    use super::*;
    use crate::noise::Noise;

    #[test]
    fn every_run_and_the_noise_have_a_line_and_a_name() {
        let runs = [measured(Stage::Ring), measured(Stage::Full)];
        let noise = [Noise::of(0, 1_000_000, &[500, 30_000])];
        let curves = curves(&runs, &noise);
        let comments = ["command: a <b> & c".to_owned(), "kernel: d".to_owned()];
        let svg = plot("Latency", &curves, &comments).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(
            svg.contains("<desc>\ncommand: a &lt;b&gt; &amp; c\nkernel: d\n</desc>"),
            "{svg}"
        );
        for text in [
            "ring-500",
            "full-500",
            "the machine itself",
            "99.9%",
            "10 µs",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert_eq!(svg.matches("#0072B2").count(), 2, "the line and its legend");
    }

    #[test]
    fn the_curves_of_three_stages_at_four_rates_have_a_colour_each() {
        let curve = |index| Curve {
            name: format!("run {index}"),
            is_noise: false,
            points: vec![(0.0, 1.0), (1.0, 10.0)],
        };
        let curves: Vec<Curve> = (0..12).map(curve).collect();
        let svg = plot("Latency", &curves, &[]).unwrap();
        for colour in COLOURS {
            let RGBColor(r, g, b) = colour;
            let stroke = format!("stroke=\"#{r:02X}{g:02X}{b:02X}\" stroke-width=\"2\"");
            let lines = svg.matches(&stroke).count();
            assert_eq!(lines, 2, "the line and its legend: {svg}");
        }
    }

    #[test]
    fn nothing_to_draw_is_an_empty_plot() {
        let svg = plot("Latency", &[], &[]).unwrap();
        assert!(svg.contains("90%"), "{svg}");
    }
}
