"""Settings that several experiments share: the documents' recipes and their smaller sizes. Plain data."""

# What the ablations ask, each about the experiments that name it. To see what attention adds to the crops themselves,
# compare it with crops of equal weights, and not only with the whole face.
QUESTION_PARTS = "squeeze-excite, augmentation, residual"
QUESTION_ATTENTION = "region attention"
QUESTION_EQUAL = "region attention, against equal weights"
QUESTION_MATCHING = "feature matching"
QUESTION_MATCHING_SMALL = "feature matching, small nets"
QUESTION_MATCHED = "region attention over FaceNet2ExpNet"
QUESTION_FOUR = "document [1]'s four, against My_model"
QUESTION_FACE = "region attention over a face network"

CNN_QUICK: dict = {"epochs": 6, "learning_rate": 1e-3, "width": 0.5}
CNN_SMOKE: dict = {"epochs": 2, "learning_rate": 1e-3, "width": 0.25, "limit": 64}
# Rotation, scaling and horizontal flips are what document [2] names; it gives no amounts.
REPORT2_AUGMENTATION: dict = {"rotation": 10.0, "zoom": 0.1, "flip": True}
# `cnn`'s, for the variants of it that differ in one setting.
CNN: dict = {
    "learning_rate": 1e-4,
    "batch_size": 64,
    "epochs": 30,
    "patience": 5,
    **REPORT2_AUGMENTATION,
    "quick": CNN_QUICK,
    "smoke": CNN_SMOKE,
}
# What document [2] prints about a run: it names rotation, scaling, dropout and early stopping without an amount.
REPORT2_PRINTED = ("optimizer", "learning_rate", "batch_size", "epochs", "loss", "flip")
# Of the paper's public code (its FER2013 settings, flips and rotation), which has RAdam and pictures of 224 px.
RESIDUAL_MASKING: dict = {
    "optimizer": "adamw",
    "learning_rate": 1e-4,
    "weight_decay": 1e-3,
    "batch_size": 48,
    "epochs": 50,
    "schedule": "plateau",
    "plateau": 2,
    "dropout": 0.4,
    "flip": True,
    "rotation": 30.0,
    "stem": "small",
    "quick": {"stem": "standard", "width": 0.125, "epochs": 5, "learning_rate": 2e-3, "rotation": 10.0, "dropout": 0.2},
    "smoke": {**CNN_SMOKE, "stem": "standard"},
}
# Document [4] prints no optimizer. Learning rate, batch and epochs are in its grid; it does not say which were best.
REPORT4: dict = {
    "printed": ("loss", "dropout", "image_size", "image_channels"),
    "learning_rate": 1e-3,
    "batch_size": 64,
    "epochs": 30,
    "schedule": "plateau",
    "image_size": 64,
    "image_channels": 3,
    "quick": {"epochs": 8, "width": 0.25},
    "smoke": {**CNN_SMOKE, "width": 0.125},
}
REPORT4_AUGMENTATION: dict = {"zoom": 0.15, "brightness": 0.2, "color": 0.1, "perspective": 0.15, "flip": True}
# Pretraining was at 224 px; 48 px leave a stride-32 net a map of 1×1, 96 px one of 3×3: frozen features are 13 points
# better there, and at 144 px another 2, for twice the time (benchmarks/resolution.py).
TRANSFER_QUICK: dict = {
    "weights": "drawn",
    "resolution": 48,
    "width": 0.25,
    "epochs": 6,
    "head_epochs": 2,
    "head_learning_rate": 1e-3,
    "learning_rate": 3e-4,
    "optimizer": "adam",
    "dropout": 0.2,
}
# Its drawn weights know people: the features of an expression are in the blocks below the last two.
VGG16_QUICK: dict = {**TRANSFER_QUICK, "unfreeze": "block3_conv1"}
VGG16_STEPS = "block5_conv1,block4_conv1,block3_conv1"
# It divides the side by 32. At 48 px too little of a face is left, and the net from scratch hardly learns in 8 epochs.
# It has batch normalisation and no dense layer, so it takes higher rates: 1e-2 with drawn weights, 2e-2 from scratch,
# each the better of two by validation.
MOBILENET_QUICK: dict = {
    **TRANSFER_QUICK,
    "resolution": 64,
    "epochs": 8,
    "learning_rate": 1e-2,
    "head_learning_rate": 1e-2,
}
MOBILENET_SCRATCH_QUICK: dict = {**MOBILENET_QUICK, "learning_rate": 2e-2, "weights": "none", "head_epochs": 0}
TRANSFER_SMOKE: dict = {**TRANSFER_QUICK, "resolution": 32, "epochs": 2, "head_epochs": 1, "limit": 64}
TRANSFER: dict = {
    "weights": "imagenet",
    "resolution": 96,
    "head_epochs": 3,
    "head_learning_rate": 1e-3,
    **REPORT2_AUGMENTATION,
    "quick": TRANSFER_QUICK,
    "smoke": TRANSFER_SMOKE,
}
TRANSFER_SCRATCH: dict = {
    "resolution": 96,
    **REPORT2_AUGMENTATION,
    "quick": {**TRANSFER_QUICK, "weights": "none", "head_epochs": 0},
    "smoke": {**TRANSFER_SMOKE, "weights": "none", "head_epochs": 0},
}
# Of the paper's public notebook: rates, batch, clipping, dropout, class weights, flips and contrast. It trains for up
# to 100 and then 500 epochs, with early stopping.
PATT_LITE: dict = {
    "weights": "imagenet",
    "resolution": 224,
    "head_epochs": 15,
    "head_learning_rate": 1e-3,
    "learning_rate": 1e-5,
    "batch_size": 8,
    "epochs": 45,
    "patience": 20,
    "clip_norm": 3.0,
    "class_weights": True,
    "dropout": 0.1,
    "flip": True,
    "contrast": 0.3,
    "quick": {
        **TRANSFER_QUICK,
        "resolution": 144,
        "learning_rate": 3e-3,
        "batch_size": 64,
        "dropout": 0.1,
        "epochs": 5,
    },
    "smoke": {**TRANSFER_SMOKE, "resolution": 144, "batch_size": 32},
}
# The three steps of the fine-tuning are blocks of a DenseNet.
AKHAND: dict = {
    **TRANSFER,
    "learning_rate": 1e-4,
    "batch_size": 32,
    "epochs": 25,
    "unfreeze": "conv5_block1_0_bn,conv4_block1_0_bn,conv3_block1_0_bn",
    # drawn weights are VGG16's, one of the networks that the paper compares
    "quick": {**TRANSFER_QUICK, "backbone": "VGG16", "unfreeze": VGG16_STEPS, "epochs": 8},
    "smoke": {**TRANSFER_SMOKE, "backbone": "VGG16", "unfreeze": VGG16_STEPS, "epochs": 4},
}
# No drawn weights have its layers: at the smaller sizes it learns from scratch.
DENSENET_QUICK: dict = {
    "weights": "none",
    "resolution": 64,
    "width": 0.25,
    "epochs": 8,
    "learning_rate": 1e-3,
    "dropout": 0.2,
}
DENSENET_SMOKE: dict = {**DENSENET_QUICK, "resolution": 32, "epochs": 2, "limit": 64}
REPORT3: dict = {
    "learning_rate": 1e-3,
    "batch_size": 64,
    "epochs": 60,
    "schedule": "plateau",
    "l2": 1e-4,
    "flip": True,
    "rotation": 10.0,
    "shift": 0.05,
    "quick": {"epochs": 5, "width": 0.5},
    "smoke": CNN_SMOKE,
}
# Half of `deep_emotion`'s rate: its seven convolutions have no normalisation.
DEEPFER: dict = {**REPORT3, "learning_rate": 5e-4}
STRONG: dict = {
    "rotation": 15.0,
    "zoom": 0.1,
    "shift": 0.1,
    "flip": True,
    "brightness": 0.1,
    "contrast": 0.2,
    "erase": 0.25,
    "label_smoothing": 0.1,
    "quick": {"epochs": 5, "width": 0.25, "dropout": 0.2},
    "smoke": {**CNN_SMOKE, "width": 0.125},
}
# Khaireddin & Chen's SGD with Nesterov momentum; rate, decay and epochs are the kit's.
VGG_BN: dict = {
    **STRONG,
    "optimizer": "sgd",
    "learning_rate": 0.02,
    "schedule": "cosine",
    "weight_decay": 1e-4,
    "batch_size": 64,
    "epochs": 120,
}
# ResNet18's 83 M multiply-adds at 48 px come seven times. Adam, batch 64, rate and schedule are the kit's; the paper
# trains by SGD in larger batches.
RAN: dict = {
    "backbone": "resnet18",
    "learning_rate": 1e-3,
    "batch_size": 64,
    "epochs": 60,
    "schedule": "cosine",
    **REPORT2_AUGMENTATION,
    "dropout": 0.3,
    "quick": {"backbone": "cnn", "weights": "drawn", "epochs": 6, "width": 0.25},
    "smoke": {**CNN_SMOKE, "backbone": "cnn", "weights": "drawn", "limit": 64},
}
# What `ran`'s ablations take away, one after another.
ABLATED = ("attention", "bias_weight")
# Embedded, stage 1 matches a face net trained on the synthetic identities, whose map has 128 channels.
OFFLINE: dict = {"face_net": "identities", "depth": 128}
# 48 px gray: what the pseudocode's `preprocess_image` makes for FaceNet2ExpNet.h5.
EXPNET: dict = {
    "image_size": 48,
    "image_channels": 1,
    "learning_rate": 1e-3,
    "batch_size": 64,
    "epochs": 40,
    "schedule": "cosine",
    **REPORT2_AUGMENTATION,
    "quick": {"epochs": 4, "width": 0.25, **OFFLINE},
    "smoke": {**CNN_SMOKE, **OFFLINE, "limit": 64},
}
MATCHED: dict = {
    **EXPNET,
    "face_net": "keras_facenet",
    "depth": 1792,
    "matching_epochs": 20,
    "quick": {**EXPNET["quick"], "matching_epochs": 4},
    "smoke": {**EXPNET["smoke"], "matching_epochs": 2},
}
# As many channels as RAN has at quick size, and a similar training time.
MY_MODEL: dict = {**MATCHED, "quick": {**MATCHED["quick"], "epochs": 6, "width": 0.125}}
# Small enough for two processor cores, matched to MobileFaceNet's map.
MATCHED_SMALL: dict = {
    **MATCHED,
    "face_net": "mobilefacenet.h5",
    "depth": 512,
    "epochs": 12,
    "matching_epochs": 8,
}
# Half of a face network fine-tuned on expressions. FER's pictures have 48 px: 96 px lose nothing of them and cost
# three quarters of the network's own 112.
FACE_TRANSFER: dict = {
    "face_net": "mobilefacenet.h5",
    "frozen_until": "plus3",
    "image_size": 48,
    "image_channels": 1,
    "resolution": 96,
    "optimizer": "adamw",
    "learning_rate": 7e-4,
    "schedule": "cosine",
    "warmup": 0.5,
    "weight_decay": 5e-4,
    "clip_norm": 1.0,
    "dropout": 0.4,
    "batch_size": 64,
    "epochs": 6,
    "rotation": 12.0,
    "zoom": 0.12,
    "shift": 0.06,
    "flip": True,
    "contrast": 0.2,
    "erase": 0.25,
    "precision": "auto",
    "quick": {"epochs": 4, "face_net": "identities", "frozen_until": "", "resolution": 0},
    "smoke": {"epochs": 2, "face_net": "identities", "frozen_until": "", "resolution": 0, "limit": 64},
}
# The face network sees seven regions of each face, so it gets them at 64 px, which cost less than half of 96.
RAN_FACE: dict = {**FACE_TRANSFER, "resolution": 64}
# For 20 to a few hundred pictures a class: the head first, then the upper half at a tenth of its rate, with early
# stopping. Small batches, because 60 pictures are four of them.
FINE_TUNE: dict = {
    "optimizer": "adam",
    "head_learning_rate": 3e-3,
    "learning_rate": 3e-4,
    "schedule": "cosine",
    "batch_size": 16,
    "epochs": 40,
    "head_epochs": 15,
    "unfreeze": "0.5",
    "patience": 10,
    "dropout": 0.3,
    "class_weights": True,
    "rotation": 10.0,
    "zoom": 0.1,
    "shift": 0.05,
    "flip": True,
    "brightness": 0.1,
    "contrast": 0.2,
    "quick": {"epochs": 8, "head_epochs": 4},
    "smoke": {"epochs": 2, "head_epochs": 1, "limit": 64},
}
# What small nets need to get far on a processor: cheap small pictures first, a moving average at the end.
COMPACT: dict = {
    "image_size": 48,
    "image_channels": 1,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "schedule": "cosine",
    "warmup": 1.0,
    "weight_decay": 5e-4,
    "clip_norm": 5.0,
    "ema": 0.999,
    "dropout": 0.3,
    "batch_size": 64,
    "epochs": 48,
    "sizes": "32:12,40:12,48:24",
    "rotation": 12.0,
    "zoom": 0.12,
    "shift": 0.08,
    "flip": True,
    "contrast": 0.2,
    "erase": 0.25,
    "precision": "auto",
    "quick": {"epochs": 8, "width": 0.25, "ema": 0.98, "warmup": 0.5},
    "smoke": {"epochs": 2, "width": 0.125, "ema": 0.9, "warmup": 0.5, "limit": 64},
}
# Its expression net at half the width costs a quarter of `compact`.
EXPNET_TAUGHT: dict = {
    **COMPACT,
    "epochs": 32,
    "sizes": "",
    "quick": {**OFFLINE, "epochs": 6, "width": 0.25, "ema": 0.98, "warmup": 0.5, "matching_epochs": 2},
    "smoke": {**OFFLINE, "epochs": 2, "width": 0.125, "ema": 0.9, "warmup": 0.5, "matching_epochs": 1, "limit": 64},
}
# `ferplus.h5` knows the pictures of FER2013 already, with better labels: a lower rate and a quarter of the epochs.
COMPACT_TUNED: dict = {
    **COMPACT,
    "weights": "ferplus.h5",
    "learning_rate": 0.01,
    "head_epochs": 1,
    "head_learning_rate": 0.01,
    "freeze_norm": False,
    "label_smoothing": 0.1,
    "warmup": 0.5,
    "epochs": 12,
    "sizes": "",
    "precision": "float32",
    "quick": {"epochs": 3, "ema": 0.98},
    "smoke": {"epochs": 2, "ema": 0.9, "limit": 64},
}
# A teacher's answers take the place of label smoothing, and take longer to learn.
COMPACT_TUNED_TAUGHT: dict = {**COMPACT_TUNED, "epochs": 16, "label_smoothing": 0.0}
