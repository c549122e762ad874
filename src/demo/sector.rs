//! What the firms of each sector make, and what their records say of it.
//!
//! Models, materials and standards are those of public standards and catalogues
//! of the trade; numbers are drawn. Items stand at 2000 (common core) and from
//! 2100 on (sector).

use crate::demo::random::Random;

/// A sector of Wenzhou's industry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sector {
    /// Low-voltage electrical apparatus.
    Apparatus,
    /// Valves.
    Valves,
    /// Footwear.
    Footwear,
    /// Garments.
    Garments,
    /// Eyewear.
    Eyewear,
    /// Auto parts.
    AutoParts,
}

/// A thing's name, its model or the letters of its number, and the standard it
/// is made to: `小型断路器`, `DZ47-63`, `GB/T 10963.1-2020 …`. Parts and materials
/// name no standard.
pub(super) type Article = (&'static str, &'static str, &'static str);

/// What a sector's names are made of.
#[derive(Debug)]
pub(super) struct Trade {
    /// Towns where the sector has its firms.
    pub(super) towns: &'static [&'static str],
    /// Words for the sector in a firm's name.
    pub(super) words: &'static [&'static str],
    /// Products.
    pub(super) products: &'static [Article],
    /// Parts; their numbers begin with the letters.
    pub(super) parts: &'static [Article],
    /// Materials; the numbers of their lots begin with the letters.
    pub(super) materials: &'static [Article],
}

impl Sector {
    /// The sector of the firm at `position`; apparatus makers are the most.
    pub(super) fn of_firm(position: u64) -> Self {
        match position % 10 {
            0 | 3 | 6 => Self::Apparatus,
            1 | 7 => Self::Valves,
            2 => Self::Footwear,
            4 => Self::Garments,
            8 => Self::Eyewear,
            _ => Self::AutoParts,
        }
    }

    /// What the sector's names are made of.
    pub(super) fn trade(self) -> &'static Trade {
        match self {
            Self::Apparatus => &APPARATUS,
            Self::Valves => &VALVES,
            Self::Footwear => &FOOTWEAR,
            Self::Garments => &GARMENTS,
            Self::Eyewear => &EYEWEAR,
            Self::AutoParts => &AUTO_PARTS,
        }
    }

    /// The sector's own items of a product, from 2100 on.
    pub(super) fn items(self, random: &mut Random) -> Vec<(&'static str, String)> {
        match self {
            Self::Apparatus => apparatus_items(random),
            Self::Valves => valve_items(random),
            Self::Footwear => footwear_items(random),
            Self::Garments => garment_items(random),
            Self::Eyewear => eyewear_items(random),
            Self::AutoParts => auto_part_items(random),
        }
    }
}

static APPARATUS: Trade = Trade {
    towns: &["温州", "乐清"],
    words: &["电器", "电气", "低压电器", "电气科技"],
    products: &[
        (
            "小型断路器",
            "DZ47-63",
            "GB/T 10963.1-2020 家用及类似场所用过电流保护断路器",
        ),
        (
            "剩余电流动作断路器",
            "DZ47LE-63",
            "GB/T 16917.1-2014 带过电流保护的剩余电流动作断路器",
        ),
        (
            "塑料外壳式断路器",
            "DZ20Y-225",
            "GB/T 14048.2-2020 低压开关设备和控制设备 断路器",
        ),
        (
            "交流接触器",
            "CJX2-1810",
            "GB/T 14048.4-2020 接触器和电动机起动器",
        ),
        (
            "热过载继电器",
            "JR36-20",
            "GB/T 14048.4-2020 接触器和电动机起动器",
        ),
        (
            "隔离开关",
            "HR17-160",
            "GB/T 14048.3-2017 开关、隔离器、隔离开关及熔断器组合电器",
        ),
    ],
    parts: &[
        ("动触头", "CT", ""),
        ("热双金属片", "BM", ""),
        ("灭弧室", "AC", ""),
        ("脱扣线圈", "TC", ""),
    ],
    materials: &[
        ("阻燃尼龙料", "PA66", ""),
        ("银氧化锡触点", "AGS", ""),
        ("冷轧钢带", "SPCC", ""),
    ],
};

static VALVES: Trade = Trade {
    towns: &["温州", "永嘉"],
    words: &["阀门", "泵阀", "流体控制", "阀门制造"],
    products: &[
        (
            "不锈钢截止阀",
            "J41W-16P",
            "GB/T 12235-2007 钢制截止阀和升降式止回阀",
        ),
        (
            "法兰闸阀",
            "Z41H-16C",
            "GB/T 12234-2019 螺柱连接阀盖的钢制闸阀",
        ),
        ("浮动球阀", "Q41F-16C", "GB/T 12237-2021 钢制球阀"),
        (
            "旋启式止回阀",
            "H44H-25",
            "GB/T 12236-2008 钢制旋启式止回阀",
        ),
        (
            "对夹式蝶阀",
            "D371X-16Q",
            "GB/T 12238-2008 法兰和对夹连接弹性密封蝶阀",
        ),
    ],
    parts: &[
        ("阀杆", "ST", ""),
        ("阀瓣", "DC", ""),
        ("密封圈", "SR", ""),
        ("手轮", "HW", ""),
    ],
    materials: &[
        ("阀体铸件", "WCB", ""),
        ("不锈钢铸件", "CF8M", ""),
        ("柔性石墨填料", "GR", ""),
    ],
};

static FOOTWEAR: Trade = Trade {
    towns: &["温州", "瑞安"],
    words: &["鞋业", "鞋服", "制鞋"],
    products: &[
        ("男士皮鞋", "MX8302", "QB/T 1002-2015 皮鞋"),
        ("女士皮靴", "WB2107", "QB/T 1002-2015 皮鞋"),
        ("休闲运动鞋", "SP5516", "QB/T 2955-2017 休闲鞋"),
        ("儿童皮鞋", "KD0914", "QB/T 2880-2016 儿童皮鞋"),
    ],
    parts: &[
        ("橡胶大底", "OS", ""),
        ("鞋楦", "LS", ""),
        ("中底板", "IB", ""),
    ],
    materials: &[
        ("头层牛皮", "LTH", ""),
        ("TPR 鞋底料", "TPR", ""),
        ("鞋用胶粘剂", "ADH", ""),
    ],
};

static GARMENTS: Trade = Trade {
    towns: &["温州"],
    words: &["服饰", "服装", "制衣"],
    products: &[
        ("男西服", "XF1906", "GB/T 2664-2017 男西服、大衣"),
        ("女式风衣", "FY2233", "FZ/T 81010-2018 风衣"),
        ("衬衫", "CS6410", "GB/T 2660-2017 衬衫"),
        ("休闲裤", "KZ3358", "GB/T 2666-2017 西裤"),
    ],
    parts: &[("纽扣", "BT", ""), ("拉链", "ZP", ""), ("衬布", "IL", "")],
    materials: &[
        ("毛涤面料", "WTP", ""),
        ("醋酸里料", "ACL", ""),
        ("缝纫线", "THR", ""),
    ],
};

static EYEWEAR: Trade = Trade {
    towns: &["温州"],
    words: &["眼镜", "光学", "眼镜制造"],
    products: &[
        ("太阳镜", "TY7021", "QB/T 2457-1999 太阳镜"),
        (
            "光学镜架",
            "GJ5418",
            "GB/T 14214-2019 眼镜架 通用要求和试验方法",
        ),
        (
            "老视成镜",
            "LS2005",
            "GB 10810.1-2005 眼镜镜片 单光和多焦点镜片",
        ),
    ],
    parts: &[("镜腿", "TP", ""), ("铰链", "HG", ""), ("鼻托", "NP", "")],
    materials: &[
        ("醋酸板材", "CAS", ""),
        ("镍白铜线", "CNZ", ""),
        ("偏光片", "POL", ""),
    ],
};

static AUTO_PARTS: Trade = Trade {
    towns: &["温州", "瑞安"],
    words: &["汽车零部件", "汽配", "汽车部件"],
    products: &[
        (
            "制动软管总成",
            "ZR3506120",
            "GB 16897-2022 制动软管的结构、性能要求及试验方法",
        ),
        ("机油滤清器", "JX0810", "QC/T 1096 汽车发动机机油滤清器"),
        (
            "转向拉杆总成",
            "LG3003010",
            "QC/T 648 汽车转向拉杆总成性能要求",
        ),
        (
            "汽车电喇叭",
            "DL129",
            "GB 15742-2019 机动车用喇叭的性能要求及试验方法",
        ),
        (
            "车窗升降器开关",
            "CK3746",
            "QC/T 198 汽车用开关通用技术条件",
        ),
    ],
    parts: &[("接头", "FT", ""), ("衬套", "BS", ""), ("密封垫", "GK", "")],
    materials: &[
        ("三元乙丙胶料", "EPD", ""),
        ("冷镦钢", "ML40", ""),
        ("滤纸", "FLP", ""),
    ],
};

fn apparatus_items(random: &mut Random) -> Vec<(&'static str, String)> {
    vec![
        (
            "rated_current",
            format!(
                "{}A",
                random.pick(&["6", "10", "16", "20", "25", "32", "40", "63"])
            ),
        ),
        (
            "rated_voltage",
            random.pick(&["230V", "230/400V", "400V"]).to_owned(),
        ),
        (
            "poles",
            random.pick(&["1P", "1P+N", "2P", "3P", "4P"]).to_owned(),
        ),
        ("trip_curve", random.pick(&["B", "C", "D"]).to_owned()),
        (
            "breaking_capacity",
            random.pick(&["4.5kA", "6kA", "10kA"]).to_owned(),
        ),
        ("shell_lot", format!("PA66-{:06}", random.below(1_000_000))),
        (
            "instantaneous_trip_test",
            format!("合格 {:.1}A", tenths(random, 800, 1_600)),
        ),
    ]
}

fn valve_items(random: &mut Random) -> Vec<(&'static str, String)> {
    vec![
        (
            "nominal_diameter",
            format!(
                "DN{}",
                random.pick(&["15", "25", "50", "80", "100", "150", "200"])
            ),
        ),
        (
            "nominal_pressure",
            random
                .pick(&["PN16", "PN25", "PN40", "Class150", "Class300"])
                .to_owned(),
        ),
        (
            "body_material",
            random.pick(&["WCB", "CF8", "CF8M", "QT450-10"]).to_owned(),
        ),
        (
            "heat_number",
            format!(
                "{}{:05}",
                random.pick(&["A", "B", "F"]),
                random.below(100_000)
            ),
        ),
        (
            "medium",
            random
                .pick(&["水、蒸汽、油品", "硝酸类", "天然气"])
                .to_owned(),
        ),
        (
            "shell_test",
            format!("{:.1}MPa 合格", tenths(random, 24, 60)),
        ),
        (
            "seal_test",
            format!("{:.2}MPa 合格", tenths(random, 17, 44)),
        ),
    ]
}

fn footwear_items(random: &mut Random) -> Vec<(&'static str, String)> {
    vec![
        (
            "size",
            format!(
                "{}({})",
                5 * random.between(46, 54),
                random.pick(&["1.5", "2", "2.5", "3"])
            ),
        ),
        (
            "color",
            random.pick(&["黑色", "棕色", "酒红", "藏青"]).to_owned(),
        ),
        (
            "upper",
            random
                .pick(&["牛皮革", "羊皮革", "超细纤维合成革"])
                .to_owned(),
        ),
        ("sole", random.pick(&["橡胶", "聚氨酯", "TPR"]).to_owned()),
        ("leather_lot", format!("LTH-{:06}", random.below(1_000_000))),
    ]
}

fn garment_items(random: &mut Random) -> Vec<(&'static str, String)> {
    let wool = random.between(30, 70);
    vec![
        (
            "size",
            random
                .pick(&["165/88A", "170/92A", "175/96A", "180/100A"])
                .to_owned(),
        ),
        (
            "color",
            random.pick(&["藏蓝", "深灰", "米白", "墨绿"]).to_owned(),
        ),
        (
            "composition",
            format!("羊毛 {wool}% 聚酯纤维 {}%", 100 - wool),
        ),
        ("safety_class", "GB 18401 B类".to_owned()),
        ("dye_lot", format!("WTP-{:06}", random.below(1_000_000))),
    ]
}

fn eyewear_items(random: &mut Random) -> Vec<(&'static str, String)> {
    let (eye, bridge) = (random.between(48, 60), random.between(14, 22));
    vec![
        (
            "frame",
            random.pick(&["板材全框", "金属半框", "TR90"]).to_owned(),
        ),
        ("dimensions", format!("{eye}-{bridge}-145")),
        (
            "lens_index",
            random.pick(&["1.499", "1.56", "1.60", "1.67"]).to_owned(),
        ),
        (
            "transmittance_class",
            random.pick(&["2类", "3类", "4类"]).to_owned(),
        ),
        ("frame_lot", format!("CAS-{:06}", random.below(1_000_000))),
    ]
}

fn auto_part_items(random: &mut Random) -> Vec<(&'static str, String)> {
    vec![
        (
            "oem_part_number",
            format!(
                "{:07}-{}01",
                random.below(10_000_000),
                random.pick(&["A", "B", "K"])
            ),
        ),
        (
            "drawing",
            format!("T{:05}/V{}", random.below(100_000), random.between(1, 9)),
        ),
        (
            "heat_treatment_lot",
            format!("HT{:06}", random.below(1_000_000)),
        ),
        (
            "torque_result",
            format!("{:.1}N·m 合格", tenths(random, 120, 480)),
        ),
        (
            "station",
            format!("{}线{}工位", random.between(1, 6), random.between(1, 24)),
        ),
    ]
}

/// A number from `first` to `last` tenths.
fn tenths(random: &mut Random, first: u64, last: u64) -> f64 {
    let drawn = u32::try_from(random.between(first, last)).unwrap_or_default();
    f64::from(drawn) / 10.0
}
