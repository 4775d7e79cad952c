//! Client hints: what a browser says of its screen and its connection, into options.

use std::num::NonZeroU32;

use safelight_image::options::{LOSSLESS_WEBP_QUALITY, MAX_DPR, Options};

/// The widths that `width=auto` comes to, in pixels: Cloudflare's default `wbreakpoints`. Few, so that caches hit.
const WIDTHS: [u32; 4] = [320, 768, 960, 1200];
/// `width=auto` on a phone whose browser does not say its width: Cloudflare's `wmobile`.
const MOBILE_WIDTH: u32 = 768;
/// `width=auto` when nothing is known: Cloudflare's `wdesktop`.
const DESKTOP_WIDTH: u32 = 1200;
/// The pixel ratios that a hint comes to. Few, so that caches hit.
const DPRS: [f64; 3] = [1.0, 1.5, MAX_DPR];
/// The best quality for a viewer who wants to save data.
const SAVING_QUALITY: u8 = 60;

/// What a viewer's browser says. [`Default`]: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Hints {
    /// The picture's width on the screen, in physical pixels.
    pub width: Option<u32>,
    /// Physical pixels for each CSS pixel.
    pub dpr: Option<f64>,
    /// Whether the browser is a phone's.
    pub mobile: bool,
    /// Whether the viewer wants to save data.
    pub save_data: bool,
}

/// A kind of hint, for `Vary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// [`Hints::width`].
    Width,
    /// [`Hints::dpr`].
    Dpr,
    /// [`Hints::mobile`].
    Mobile,
    /// [`Hints::save_data`].
    SaveData,
}

impl Hints {
    /// Settles `options` by what is known, and answers which hints these options depend on, given or not.
    ///
    /// An automatic width becomes the smallest of a few that is enough; a pixel ratio counts where the options name a
    /// size and no ratio of their own. A viewer who saves data gets a ratio of 1 and a lower quality.
    pub(super) fn settle(self, options: &mut Options) -> Vec<Hint> {
        let mut dependencies = Vec::new();
        if options.auto_width {
            dependencies.extend([Hint::Width, Hint::Mobile]);
            options.width = NonZeroU32::new(self.auto_width());
            options.auto_width = false;
        } else if (options.width.is_some() || options.height.is_some()) && is_one(options.dpr) {
            dependencies.extend([Hint::Dpr, Hint::SaveData]);
            if let Some(dpr) = self.dpr.filter(|_| !self.save_data) {
                options.dpr = DPRS.into_iter().find(|step| *step >= dpr).unwrap_or(MAX_DPR);
            }
        }
        if options.quality < LOSSLESS_WEBP_QUALITY {
            if !dependencies.contains(&Hint::SaveData) {
                dependencies.push(Hint::SaveData);
            }
            if self.save_data {
                options.quality = options.quality.min(SAVING_QUALITY);
            }
        }
        dependencies
    }

    fn auto_width(self) -> u32 {
        match self.width {
            Some(width) => WIDTHS.into_iter().find(|step| *step >= width).unwrap_or(DESKTOP_WIDTH),
            None if self.mobile => MOBILE_WIDTH,
            None => DESKTOP_WIDTH,
        }
    }
}

/// Whether no ratio was asked for: it is exactly the default.
fn is_one(dpr: f64) -> bool {
    (dpr - 1.0).abs() < f64::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(list: &str, hints: Hints) -> (String, Vec<Hint>) {
        let mut options = Options::parse(list).unwrap();
        let dependencies = hints.settle(&mut options);
        (options.to_string(), dependencies)
    }

    fn width(hints: Hints) -> String {
        settled("width=auto", hints).0.split(',').next().unwrap().to_owned()
    }

    #[test]
    fn an_automatic_width_is_one_of_a_few() {
        for (hint, expected) in [(1, 320), (320, 320), (321, 768), (961, 1200), (1200, 1200), (9999, 1200)] {
            assert_eq!(width(Hints { width: Some(hint), ..Hints::default() }), format!("width={expected}"));
        }
        assert_eq!(width(Hints::default()), "width=1200");
        assert_eq!(width(Hints { mobile: true, ..Hints::default() }), "width=768");
        let (_, dependencies) = settled("width=auto,quality=100", Hints::default());
        assert_eq!(dependencies, [Hint::Width, Hint::Mobile]);
    }

    #[test]
    fn a_ratio_counts_for_a_size_without_one() {
        let dpr = |list, dpr| settled(list, Hints { dpr: Some(dpr), ..Hints::default() }).0;
        for (given, expected) in [(0.5, "dpr=1,"), (1.1, "dpr=1.5,"), (1.75, "dpr=2,"), (3.0, "dpr=2,")] {
            assert!(dpr("w=100", given).contains(expected), "{given}");
        }
        assert!(dpr("w=100,dpr=1.5", 2.0).contains("dpr=1.5,"));
        assert!(dpr("q=50", 2.0).contains("dpr=1,"));
        // The hint is the width on the screen, ratio and all.
        assert!(dpr("w=auto", 2.0).starts_with("width=1200,fit=scale-down,gravity=center,dpr=1,"));
    }

    /// Caches of what differs by a hint that `Vary` does not name give it to the wrong viewers.
    #[test]
    fn what_a_hint_changes_depends_on_it() {
        let lists = ["w=auto", "w=100", "h=100", "w=100,h=100"].into_iter().flat_map(|size| {
            ["", ",dpr=1", ",dpr=1.5"].into_iter().flat_map(move |dpr| {
                ["", ",q=40", ",q=100", ",f=webp,q=100"].map(|quality| format!("{size}{dpr}{quality}"))
            })
        });
        let lists: Vec<String> =
            lists.chain(["q=50", "q=100", "f=png", "dpr=2,q=100"].map(str::to_owned)).collect();
        let mut all = Vec::new();
        for width in [None, Some(1), Some(500), Some(9999)] {
            for dpr in [None, Some(0.5), Some(1.2), Some(2.0)] {
                for (mobile, save_data) in [(false, false), (false, true), (true, false), (true, true)] {
                    all.push(Hints { width, dpr, mobile, save_data });
                }
            }
        }
        for list in &lists {
            for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other))) {
                let differences: Vec<Hint> = [
                    (one.width != other.width, Hint::Width),
                    (one.dpr != other.dpr, Hint::Dpr),
                    (one.mobile != other.mobile, Hint::Mobile),
                    (one.save_data != other.save_data, Hint::SaveData),
                ]
                .into_iter()
                .filter_map(|(differs, hint)| differs.then_some(hint))
                .collect();
                let [difference] = differences[..] else { continue };
                let (first, second) = (settled(list, one), settled(list, other));
                assert_eq!(first.1, second.1, "{list}: dependencies do not depend on hints");
                let times = first.1.iter().filter(|hint| **hint == difference).count();
                assert!(
                    times <= 1 && (times == 1 || first.0 == second.0),
                    "{list}: {difference:?} {first:?} {second:?}"
                );
            }
        }
    }

    #[test]
    fn saving_data_lowers_quality_and_ratio() {
        let hints = Hints { save_data: true, dpr: Some(2.0), ..Hints::default() };
        let (text, dependencies) = settled("w=100", hints);
        assert!(text.contains("dpr=1,quality=60,"), "{text}");
        assert_eq!(dependencies, [Hint::Dpr, Hint::SaveData]);
        assert!(settled("w=100,q=40", hints).0.contains("quality=40,"));
        assert!(settled("w=100,q=100", hints).0.contains("quality=100,"), "lossless is what was asked for");
    }
}
