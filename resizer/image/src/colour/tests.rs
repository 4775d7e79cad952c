use moxcms::{LutWarehouse, ToneReprCurve};

use super::*;
use crate::sample::{plain, shown};

fn converted(layout: Layout, pixel: &[u8], profile: Option<&ColorProfile>) -> (Layout, Vec<u8>) {
    let profile = profile.map(|profile| Embedded::Icc(profile.encode().unwrap()));
    let pixels = shown(&plain(3, 2, layout, pixel), profile.as_ref());
    let length = pixels.layout().channels();
    assert_eq!(pixels.data(), pixels.data()[..length].repeat(6));
    (pixels.layout(), pixels.data()[..length].to_vec())
}

fn near(found: &[u8], expected: &[u8], by: u8) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= by)
}

#[test]
fn without_a_profile_pixels_are_srgb() {
    assert_eq!(converted(Layout::Rgb, &[1, 2, 3], None), (Layout::Rgb, vec![1, 2, 3]));
    assert_eq!(converted(Layout::GrayAlpha, &[9, 77], None), (Layout::GrayAlpha, vec![9, 77]));
}

#[test]
fn srgb_profiles_change_nothing() {
    let srgb = ColorProfile::new_srgb();
    for pixel in [[0, 0, 0], [255, 255, 255], [200, 30, 90], [1, 128, 254]] {
        let (_, found) = converted(Layout::Rgb, &pixel, Some(&srgb));
        assert!(near(&found, &pixel, 1), "{found:?}");
    }
}

#[test]
fn wide_gamuts_are_brought_in() {
    let p3 = ColorProfile::new_display_p3();
    // Display P3 (200, 100, 50) is sRGB (216, 94, 26) by the colour spaces' definitions.
    let (layout, found) = converted(Layout::Rgb, &[200, 100, 50], Some(&p3));
    assert!(layout == Layout::Rgb && near(&found, &[213, 95, 33], 6), "{found:?}");
    let (layout, found) = converted(Layout::Rgba, &[200, 100, 50, 77], Some(&p3));
    assert!(layout == Layout::Rgba && found[3] == 77 && found[0] > 205 && found[2] < 45, "{found:?}");
}

#[test]
fn gray_profiles_keep_gray() {
    // Linear gray: 55 of 255 is 21.6 % light, which sRGB writes as about 128.
    let mut linear = ColorProfile::new_gray_with_gamma(1.0);
    linear.gray_trc = Some(ToneReprCurve::Parametric(vec![1.0]));
    let (layout, found) = converted(Layout::Gray, &[55], Some(&linear));
    assert!(layout == Layout::Gray && near(&found, &[128], 3), "{found:?}");
    let (layout, found) = converted(Layout::GrayAlpha, &[55, 200], Some(&linear));
    assert!(layout == Layout::GrayAlpha && near(&found, &[128, 200], 3), "{found:?}");
}

#[test]
fn useless_profiles_are_ignored() {
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    let rgb = plain(4, 4, Layout::Rgb, &[200, 100, 50]);
    let gray = plain(4, 4, Layout::Gray, &[200]);
    // Of another colour model.
    assert_eq!(shown(&gray, Some(&Embedded::Icc(p3.clone()))), gray);
    // Damaged anywhere.
    for length in (0..p3.len()).step_by(11) {
        let _ = shown(&rgb, Some(&Embedded::Icc(p3[..length].to_vec())));
    }
    for garbage in [&[][..], b"not a profile", &[0; 500], &[255; 500]] {
        assert_eq!(shown(&rgb, Some(&Embedded::Icc(garbage.to_vec()))), rgb);
    }
}

#[test]
fn plain_inks() {
    for (inks, rgb) in [
        ([0, 0, 0, 0], [255, 255, 255]),
        ([255, 0, 0, 0], [0, 255, 255]),
        ([0, 255, 255, 0], [255, 0, 0]),
        ([0, 0, 0, 255], [0, 0, 0]),
        ([128, 0, 0, 128], [63, 127, 127]),
    ] {
        let (layout, found) = converted(Layout::Cmyk, &inks, None);
        assert!(layout == Layout::Rgb && near(&found, &rgb, 1), "{found:?}");
    }
}

/// A CMYK profile decides the colour of inks: this printer's colours are invisible, its black is not.
#[test]
fn cmyk_profiles_are_used() {
    let profile = black_only_profile();
    let shown = |inks: [u8; 4]| converted(Layout::Cmyk, &inks, Some(&profile)).1;
    let (white, gray, black) = (shown([0, 0, 0, 0]), shown([0, 0, 0, 128]), shown([0, 0, 0, 255]));
    assert_eq!(shown([255, 100, 30, 0]), white);
    assert_eq!(shown([9, 200, 255, 255]), black);
    assert!(near(&white, &[255; 3], 3) && near(&black, &[0; 3], 3), "{white:?} {black:?}");
    // L* 50 is sRGB 119.
    assert!(near(&gray, &[119; 3], 4), "{gray:?}");
}

/// A press whose black is a gray prints black all the same.
#[test]
fn the_black_of_a_press_becomes_black() {
    // L* 25 is 0.0442 of white's light.
    let profile = ink_profile(0x4000).encode().unwrap();
    let shown = |ink: u8, version: u8| {
        let mut profile = profile.clone();
        profile[8] = version;
        let pixels = plain(3, 2, Layout::Cmyk, &[0, 0, 0, ink]);
        let shown = shown(&pixels, Some(&Embedded::Icc(profile)));
        shown.data()[..3].to_vec()
    };
    assert!(near(&shown(255, 2), &[0; 3], 2), "{:?}", shown(255, 2));
    assert!(near(&shown(0, 2), &[255; 3], 1), "{:?}", shown(0, 2));
    // Halfway L* is 62.5, that is 0.3092 of light; without the black's (0.3092 - 0.0442) / (1 - 0.0442) = 0.2773, sRGB 143.
    assert!(near(&shown(128, 2), &[143; 3], 2), "{:?}", shown(128, 2));
    // Version 4 says what black is: 0.0034731; L* 25 is 0.0409 above it, sRGB 56.
    assert!(near(&shown(255, 4), &[56; 3], 2), "{:?}", shown(255, 4));
}

/// Of a Lab connection space a gray curve is L*: half of it is sRGB 119.
#[test]
fn gray_profiles_of_lightness_are_used() {
    let mut profile = ColorProfile::new_gray_with_gamma(1.0);
    profile.gray_trc = Some(ToneReprCurve::Parametric(vec![1.0]));
    profile.pcs = DataColorSpace::Lab;
    for (value, expected) in [(0, 0), (128, 119), (255, 255), (20, 23)] {
        let (layout, found) = converted(Layout::Gray, &[value], Some(&profile));
        assert!(layout == Layout::Gray && near(&found, &[expected], 1), "{value}: {found:?}");
        let (_, found) = converted(Layout::GrayAlpha, &[value, 9], Some(&profile));
        assert!(near(&found, &[expected, 9], 1), "{value}: {found:?}");
    }
}

/// A profile of a printer of which only black is seen: L* is 100 without and 0 with it.
fn black_only_profile() -> ColorProfile {
    ink_profile(0)
}

/// A profile of a printer of which only black is seen: L* is 100 without and `black` (0xFF00 is 100) with it.
fn ink_profile(black: u16) -> ColorProfile {
    let grid = 2usize;
    // Lab of 16 bits as ICC's lut16Type has it: L* 100 is 0xFF00, a* and b* 0 are 0x8000. The last ink changes fastest.
    let table = [[0xFF00, 0x8000, 0x8000], [black, 0x8000, 0x8000u16]].as_flattened().repeat(grid.pow(3));
    let straight = [0, u16::MAX];
    let lut = moxcms::LutDataType {
        num_input_channels: 4,
        num_output_channels: 3,
        num_clut_grid_points: 2,
        matrix: moxcms::Matrix3d::IDENTITY,
        num_input_table_entries: 2,
        num_output_table_entries: 2,
        input_table: moxcms::LutStore::Store16(straight.repeat(4)),
        clut_table: moxcms::LutStore::Store16(table),
        output_table: moxcms::LutStore::Store16(straight.repeat(3)),
        lut_type: moxcms::LutType::Lut16,
    };
    let mut profile = ColorProfile::new_srgb();
    profile.color_space = DataColorSpace::Cmyk;
    profile.pcs = DataColorSpace::Lab;
    profile.profile_class = moxcms::ProfileClass::OutputDevice;
    profile.cicp = None;
    (profile.red_trc, profile.green_trc, profile.blue_trc) = (None, None, None);
    profile.lut_a_to_b_perceptual = Some(LutWarehouse::Lut(lut));
    profile
}
