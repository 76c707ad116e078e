"""The expressions: facial action units, each emotion's prototype, and the parts of the face that a unit moves.

The units are those of the Facial Action Coding System (Ekman, Friesen & Hager, FACS, 2002), the prototypes are those of
EMFACS: happiness 6+12, sadness 1+4+15, surprise 1+2+5+26, fear 1+2+4+5+20+26, anger 4+5+7+23, disgust 9+15+17, contempt
a one-sided 12+14, neutral none. Strengths are relative, 0..1, at intensity 1.
"""

ACTION_UNITS = (
    "AU1",  # inner brow raised
    "AU2",  # outer brow raised
    "AU4",  # brows lowered and knit
    "AU5",  # upper lid raised
    "AU6",  # cheek raised
    "AU7",  # lids tightened
    "AU9",  # nose wrinkled
    "AU10",  # upper lip raised
    "AU12",  # lip corners pulled, both sides
    "AU14",  # dimpler, both sides
    "AU15",  # lip corners pulled down
    "AU17",  # chin raised
    "AU20",  # lips stretched
    "AU23",  # lips tightened
    "AU25",  # lips parted
    "AU26",  # jaw dropped
    "AU12L",  # the one-sided units: L and R are the drawn person's own left and right, as in FACS,
    "AU12R",  # so L lies on the right half of the picture
    "AU14L",
    "AU14R",
)

PROTOTYPES = {
    "anger": {"AU4": 1.0, "AU5": 0.6, "AU7": 0.7, "AU23": 1.0},
    "disgust": {"AU9": 1.0, "AU15": 0.6, "AU17": 0.7},
    "fear": {"AU1": 0.9, "AU2": 0.6, "AU4": 0.7, "AU5": 1.0, "AU20": 1.0, "AU26": 0.6},
    "happiness": {"AU6": 0.9, "AU12": 1.0},
    "sadness": {"AU1": 1.0, "AU4": 0.8, "AU15": 1.0},
    "surprise": {"AU1": 1.0, "AU2": 1.0, "AU5": 0.8, "AU26": 1.0},
    "neutral": {},
    "contempt": {"AU12L": 0.8, "AU14L": 1.0},
}

# Units that often come along: unit -> (strength, share of images). They follow the square of the intensity, because
# mostly strong expressions have them (a broad smile opens the lips, a faint one rarely does).
COMPANIONS = {
    "anger": {"AU17": (0.4, 0.3)},
    "disgust": {"AU10": (0.7, 0.7), "AU4": (0.3, 0.5)},
    "fear": {"AU25": (0.7, 1.0)},
    "happiness": {"AU25": (1.0, 0.65)},
    "sadness": {"AU17": (0.5, 0.5)},
    "surprise": {"AU25": (0.6, 1.0)},
    "neutral": {},
    "contempt": {},
}

# Uneven as in real data: FER2013's order (happiness most, disgust least), with the rarest class raised to 6 %.
CLASS_PRIOR = {
    "anger": 0.13,
    "disgust": 0.06,
    "fear": 0.12,
    "happiness": 0.22,
    "sadness": 0.14,
    "surprise": 0.11,
    "neutral": 0.15,
    "contempt": 0.07,
}

REGIONS = ("brows", "eyes", "nose", "mouth", "cheeks", "chin", "cheek.L", "cheek.R")  # the last two: one side alone
ACTIVE = 0.1  # a unit counts as active from this strength on (a faint one moves half a pixel at 48 pixels)

# unit -> the regions whose look it changes
UNIT_REGIONS = {
    "AU1": ("brows",),
    "AU2": ("brows",),
    "AU4": ("brows",),
    "AU5": ("eyes",),
    "AU6": ("eyes", "cheeks"),
    "AU7": ("eyes",),
    "AU9": ("brows", "eyes", "nose", "mouth"),  # the levator also draws the brows down and narrows the eyes
    "AU10": ("mouth",),
    "AU12": ("mouth", "cheeks"),
    "AU14": ("mouth",),
    "AU15": ("mouth",),
    "AU17": ("mouth", "chin"),
    "AU20": ("mouth",),
    "AU23": ("mouth",),
    "AU25": ("mouth",),
    "AU26": ("mouth", "chin"),
    "AU12L": ("mouth", "cheek.L"),
    "AU12R": ("mouth", "cheek.R"),
    "AU14L": ("mouth",),
    "AU14R": ("mouth",),
}
