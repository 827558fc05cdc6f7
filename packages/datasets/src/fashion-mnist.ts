import type { Archive } from './archive';

/**
 * Fashion-MNIST (Xiao et al. 2017): 60,000 and 10,000 images of clothing, 28×28×1, MIT licence, Zalando SE.
 * The sums are those of the files published at https://github.com/zalandoresearch/fashion-mnist.
 */
export const fashionMnist: Archive = {
  name: 'fashion-mnist',
  files: {
    train: {
      images: {
        name: 'train-images-idx3-ubyte',
        bytes: 47040016,
        sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
      },
      labels: {
        name: 'train-labels-idx1-ubyte',
        bytes: 60008,
        sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
      },
    },
    test: {
      images: {
        name: 't10k-images-idx3-ubyte',
        bytes: 7840016,
        sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
      },
      labels: {
        name: 't10k-labels-idx1-ubyte',
        bytes: 10008,
        sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
      },
    },
  },
  classNames: [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ],
  folders: ['/usr/share/datasets/fashion-mnist'],
  urls: [
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
  ],
  help:
    'put the .gz files of https://github.com/zalandoresearch/fashion-mnist/tree/master/data/fashion into a folder and pass it as the data folder; ' +
    'or, on Debian and Ubuntu, apt install dataset-fashion-mnist; or use fashion-mnist-10k, which comes with the package',
};
