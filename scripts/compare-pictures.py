"""The other side of compare-pictures.mjs: makes files with Pillow, and says what Pillow reads from files.

make <folder>: writes the files. read: takes lines of JSON {path, channels, size, out}, writes the pixels to `out` and answers with a line each.
"""
import json
import os
import sys

import numpy as np
import PIL
from PIL import Image, ImageOps


def picture(width, height):
    """Smooth and sharp parts, and noise."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(1).integers(0, 256, (height, width))
    noise[: height // 2] = 255 * ((x // 5 + y // 7) % 2)[: height // 2]
    return np.stack([128 + 120 * np.sin(x / 9), 128 + 120 * np.cos(y / 11), noise], -1).astype("uint8")


def make(folder):
    rgb = Image.fromarray(picture(46, 34))
    alpha = Image.fromarray((np.mgrid[0:34, 0:46][1] * 6 % 256).astype("uint8"))
    gray, rgba, la = rgb.convert("L"), rgb.copy(), rgb.convert("LA")
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    palette = rgb.quantize(40)
    wide = Image.fromarray((picture(46, 34)[..., 0].astype("uint16") * 251 + 128).astype("uint16"))

    def save(name, image, **options):
        image.save(os.path.join(folder, name), **options)

    for name, image in {"rgb": rgb, "gray": gray, "rgba": rgba, "gray-alpha": la, "palette": palette, "1-bit": rgb.convert("1")}.items():
        save(f"{name}.png", image)
        save(f"{name}.tif", image, compression="tiff_lzw" if name != "1-bit" else "group4")
    save("palette-transparent.png", palette, transparency=bytes(i * 6 % 256 for i in range(40)))
    save("gray-transparent.png", gray, transparency=100)
    save("rgb-transparent.png", rgb, transparency=(248, 248, 0))
    save("gray-16-bit.png", wide)
    save("gray-16-bit.tif", wide)
    save("cmyk.tif", rgb.convert("CMYK"))
    save("big.jpg", Image.fromarray(picture(1500, 1100)), quality=92)
    for name, image in {"rgb": rgb, "gray": gray, "cmyk": rgb.convert("CMYK")}.items():
        save(f"{name}.jpg", image, quality=85)
    save("progressive.jpg", rgb, quality=85, progressive=True)
    save("full-chroma.jpg", rgb, quality=85, subsampling=0)
    with open(os.path.join(folder, "extra-bytes.jpg"), "wb") as out:
        out.write(open(os.path.join(folder, "rgb.jpg"), "rb").read()[:-2] + b"\0\1\2\xff\xd9")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"orientation-{orientation}.png", rgb, exif=exif)
        save(f"orientation-{orientation}.jpg", rgb, exif=exif, quality=90, subsampling=0)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("orientation-6.tif", rgb, exif=exif)
    save("orientation-6.webp", rgb, exif=exif, lossless=True)
    save("lossy.webp", rgb, quality=80)
    save("lossless.webp", rgb, lossless=True)
    save("alpha.webp", rgba, quality=80)
    save("animation.webp", rgb, save_all=True, append_images=[ImageOps.invert(rgb)], lossless=True)
    save("flat.gif", palette)
    save("gray.gif", gray)
    save("transparent.gif", palette, transparency=3)
    save("animation.gif", palette, save_all=True, append_images=[ImageOps.invert(rgb).quantize(40)])
    save("pages.tif", rgb, save_all=True, append_images=[ImageOps.invert(rgb)])
    save("full-chroma.avif", rgb, quality=95, subsampling="4:4:4")
    save("half-chroma.avif", rgb, quality=95, subsampling="4:2:0")
    for name, source in {"jpeg-inside.png": "rgb.jpg", "png-inside.jpg": "rgb.png", "webp-inside": "lossless.webp"}.items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(open(os.path.join(folder, source), "rb").read())


def read(path, channels, size, out):
    image = Image.open(path)
    kind = image.mode
    image = ImageOps.exif_transpose(image)
    if kind.startswith("I;16"):  # The documented choice: Pillow's convert('L') makes everything over 255 white.
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    transparent = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    own = 4 if transparent else 1 if image.mode in ("1", "L") else 3
    channels = channels or own
    if transparent:
        image = image.convert("RGBA")
        if channels < 4:  # The documented choice: what is transparent shows white.
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    image = image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])
    if size:
        image = ImageOps.fit(image, (size[1], size[0]), Image.BICUBIC)
    with open(out, "wb") as file:
        file.write(image.tobytes())
    return {"kind": kind, "shape": [image.height, image.width, channels]}


if sys.argv[1] == "make":
    make(sys.argv[2])
    print(PIL.__version__)
else:
    for line in sys.stdin:
        print(json.dumps(read(**json.loads(line))))
