/// Sections `model` of detectors so small that a run takes moments, by the name of the detector.
enum TinyModels {
    static let sections = [
        "actionformer": "{backbone_arch: [1, 1, 1], n_mha_win_size: 5, n_head: 2, embd_dim: 8, fpn_dim: 8, head_dim: 8, "
            + "regression_range: [[0, 4], [4, 10000]]}",
        "tridet": "{name: tridet, backbone_arch: [1, 1, 1], n_sgp_win_size: 3, sgp_mlp_dim: 16, num_bins: 6, embd_dim: 16, fpn_dim: 16, "
            + "head_dim: 8, regression_range: [[0, 4], [4, 10000]]}",
        "temporalmaxer": "{name: temporalmaxer, backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, "
            + "regression_range: [[0, 4], [4, 10000]]}",
    ]
}
