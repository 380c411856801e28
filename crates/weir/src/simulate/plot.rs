//! Response times against load, as a picture.

use std::fmt::Write;

use weir_sim::{Balancer, Scenario, run};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

const LOADS: [f64; 10] = [0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98];

/// One for each algorithm, told apart by people who do not see all colours too.
const COLOURS: [&str; 8] =
    ["#999999", "#e69f00", "#56b4e9", "#009e73", "#d55e00", "#0072b2", "#cc79a7", "#000000"];

/// The p99 of each algorithm over the load, on a logarithmic scale.
pub(super) fn svg(scenario: &Scenario, balancers: &[(&str, Balancer)]) -> String {
    let p99 = |balancer: &Balancer, load| {
        let requests = scenario.requests.min(300_000);
        let outcome = run(&Scenario { balancer: balancer.clone(), load, requests, ..scenario.clone() });
        outcome.times.quantile(0.99).max(1.0)
    };
    let lines: Vec<Vec<f64>> = balancers
        .iter()
        .map(|(_, balancer)| LOADS.iter().map(|&load| p99(balancer, load)).collect())
        .collect();
    let most = lines.iter().flatten().fold(10.0, |most: f64, value| most.max(*value)).log10().ceil();
    let x = |load: f64| LEFT + (load - LOADS[0]) / (1.0 - LOADS[0]) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value.log10() / most * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">p99 in mean service times, {} servers, {} node(s)</text>\n",
        scenario.servers.len(),
        scenario.nodes,
    );
    for power in 0..=most as i32 {
        let (value, at) = (10_f64.powi(power), y(10_f64.powi(power)));
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
        );
    }
    for load in [0.3, 0.5, 0.7, 0.8, 0.9, 0.98] {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{load}</text>",
            x(load),
            HEIGHT - BOTTOM + 18.0,
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">load</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 12.0,
    );
    for (number, ((name, _), line)) in balancers.iter().zip(&lines).enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<String> =
            LOADS.iter().zip(line).map(|(&load, &value)| format!("{:.1},{:.1}", x(load), y(value))).collect();
        let key = TOP + 20.0 * number as f64;
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <path d=\"M{:.1} {key:.1}h20\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
            points.join(" "),
            WIDTH - RIGHT + 12.0,
            WIDTH - RIGHT + 38.0,
            key + 4.0,
        );
    }
    out.push_str("</svg>\n");
    out
}
