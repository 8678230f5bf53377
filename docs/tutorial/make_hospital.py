"""Write the folder of the tutorial: `python docs/tutorial/make_hospital.py hospital`.

Sixty files as a hospital might hand them over, a table of them in Excel, and five scans of the
week after. All patients are simulated. Most files are sound; some are damaged, some are no scans
of a lumbar spine.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from scipy.io import savemat

from skdxa.simulation import make_spine_scan

SEED = 20
# One row of the table each, in this order; the files are numbered from 1.
KINDS = ["dicom"] * 27 + ["matlab"] * 14 + ["array"] * 12 + ["picture"] * 7
FOLDERS = {"dicom": "dicom", "matlab": "research", "array": "arrays", "picture": "pictures"}
SUFFIXES = {"dicom": "dcm", "matlab": "mat", "array": "npy", "picture": "tif"}
SPACING_MM = (1.05, 0.60)
# Stored value of a DICOM pixel per g/cm2, and of one that was not scanned.
PER_G_CM2, NOT_SCANNED = 10_000, 65_535


def draw_patients(n, rng):
    """Return simulated patients: two in five have a curve of 10 to 30 degrees."""
    curved = rng.random(n) < 0.4
    cobb_angle = np.where(curved, rng.uniform(10, 30, n), rng.uniform(0, 10, n))
    bmd = np.clip(rng.normal(1.0, 0.16, n), 0.6, 1.5)[:, None] + [-0.08, 0.0, 0.05, 0.04]
    return pd.DataFrame(
        {
            "patient": [f"SIM{number:03d}" for number in range(1, n + 1)],
            "age": rng.uniform(45, 85, n).round().astype(int),
            "sex": np.where(rng.random(n) < 0.8, "F", "M"),
            "cobb_angle": cobb_angle,
            # A reader estimates the angle by eye, with an error of a few degrees.
            "scoliosis": np.where(cobb_angle + rng.normal(0, 3, n) > 10, "Yes", "No"),
            "convex": rng.choice(["left", "right"], n),
            "bmd": list(bmd.round(3)),
            "degeneration": list(rng.choice([0, 0, 1, 2], (n, 4)).astype(float)),
        }
    )


def draw_scan(patient, seed):
    """Return a scan of a patient, in g/cm2 with NaN where the scanner did not scan."""
    return make_spine_scan(
        patient["cobb_angle"],
        convex=patient["convex"],
        bmd=tuple(patient["bmd"]),
        degeneration=tuple(patient["degeneration"]),
        random_state=seed,
    ).scan


def draw_phantom():
    """Return a scan of the block of four steps with which a scanner is tested every morning."""
    scan = np.full((160, 300), 0.02, dtype=np.float32)
    for step in range(4):
        scan[10 + 35 * step : 45 + 35 * step, 40:260] = 0.7 + 0.2 * step
    return scan


def write_dicom(path, density):
    """Write densities as a DICOM file that states unit and spacing."""
    stored = np.clip(density, 0, 6) * PER_G_CM2
    stored = np.where(np.isnan(density), NOT_SCANNED, stored).round().astype("<u2")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{int(path.stem[1:])}"
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CR"
    dataset.PatientName = "Simulated^Patient"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.PixelPaddingValue = NOT_SCANNED
    dataset.PixelSpacing = list(SPACING_MM)
    dataset.RescaleSlope, dataset.RescaleIntercept = 1 / PER_G_CM2, 0
    dataset.RescaleType = "g/cm2"
    dataset.PixelData = stored.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def write_matlab(path, density):
    """Write the two maps that a densitometer's research software exports."""
    soft_tissue = 21.0 - 0.5 * density.astype(float)
    savemat(path, {"density": density.astype(float), "soft_tissue": soft_tissue})


def write_array(path, density):
    """Write a plain array, as a colleague's script did."""
    np.save(path, density)


def write_picture(path, density):
    """Write a picture of 32-bit floating-point densities, as image programs do."""
    Image.fromarray(density).save(path)


def to_grey(density):
    """Return the 8-bit grey levels of a viewer."""
    return (np.clip(np.nan_to_num(density), 0, 1.6) / 1.6 * 255).round().astype(np.uint8)


WRITERS = {
    "dicom": write_dicom,
    "matlab": write_matlab,
    "array": write_array,
    "picture": write_picture,
}


def spoil(scans, scan_of):
    """Replace seven of the files by what goes wrong in practice.

    Parameters
    ----------
    scans : Path
        Folder of the files.
    scan_of : dict of int to ndarray
        The scan in each file, by its number.
    """
    # A copy over the network that ended early, a report, and a file without content.
    content = (scans / "dicom/S005.dcm").read_bytes()
    (scans / "dicom/S005.dcm").write_bytes(content[: len(content) // 2])
    (scans / "dicom/S012.dcm").write_bytes(b"%PDF-1.7\n% a report of a simulated patient\n")
    (scans / "arrays/S044.npy").write_bytes(b"")
    # The morning's test of the scanner, and a scan whose bone is dark.
    write_dicom(scans / "dicom/S009.dcm", draw_phantom())
    write_dicom(scans / "dicom/S021.dcm", 1.6 - np.clip(scan_of[21], 0, 1.6))
    # A report screen in colour, and a viewer's picture in grey levels.
    grey = to_grey(scan_of[56])
    Image.fromarray(np.stack([grey, grey // 2 + 60, grey], axis=-1)).save(
        scans / "pictures/S056.tif"
    )
    Image.fromarray(to_grey(scan_of[60])).save(scans / "pictures/S060.tif")


def make_hospital(folder):
    """Write the folder.

    Parameters
    ----------
    folder : path-like
        Folder to make.
    """
    folder = Path(folder)
    rng = np.random.default_rng(SEED)
    patients = draw_patients(52, rng)
    # The last eight scans are second ones, of the first eight patients.
    patient_of = [*range(52), *range(8)]
    for name in FOLDERS.values():
        (folder / "scans" / name).mkdir(parents=True)
    rows, scan_of = [], {}
    # The order of the files says nothing about the order of the patients.
    for number, (kind, index) in enumerate(
        zip(KINDS, rng.permutation(patient_of), strict=True), start=1
    ):
        patient = patients.iloc[index]
        scan_of[number] = draw_scan(patient, seed=1000 + number)
        name = f"{FOLDERS[kind]}/S{number:03d}.{SUFFIXES[kind]}"
        WRITERS[kind](folder / "scans" / name, scan_of[number])
        rows.append(
            {
                "File": name,
                "Patient": patient["patient"],
                "Age": patient["age"],
                "Sex": patient["sex"],
                "Scoliosis": patient["scoliosis"],
            }
        )
    table = pd.DataFrame(rows)
    # As readers fill in a column: in any case, undecided here and empty there.
    table.loc[[7, 30], "Scoliosis"] = ["yes", "NO"]
    table.loc[[16, 47], "Scoliosis"] = ["unclear", None]
    # A file that nobody can find.
    missing = table.iloc[[3]].assign(File="dicom/S061.dcm", Patient="SIM053")
    pd.concat([table, missing]).to_excel(folder / "patients.xlsx", index=False)
    spoil(folder / "scans", scan_of)

    new = folder / "next_week"
    new.mkdir()
    for number, (suffix, cobb_angle) in enumerate(
        [("dcm", 2), ("dcm", 33), ("npy", 5), ("tif", 28), ("png", 20)], start=1
    ):
        scan = make_spine_scan(cobb_angle, random_state=2000 + number).scan
        path = new / f"N{number:03d}.{suffix}"
        if suffix == "png":
            Image.fromarray(to_grey(scan)).save(path)
        else:
            {"dcm": write_dicom, "npy": write_array, "tif": write_picture}[suffix](path, scan)
    print(f"{folder}: {len(KINDS)} files, a table of {len(table) + 1} rows, 5 new scans.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Name the folder to make: python make_hospital.py hospital.")
    make_hospital(sys.argv[1])
