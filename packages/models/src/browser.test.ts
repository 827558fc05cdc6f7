import { expect, test } from '@jest/globals';
import * as browser from './browser';
import * as node from './index';

test('pages have all but what reads files', () => {
  const ofFiles = [
    ...['openCaptionVectors', 'openModel', 'openNoisedClassifier', 'openNoisedClip', 'openTextEncoder'],
    ...['pipelineCheckpoint', 'withTextEncoder'],
  ];
  expect(Object.keys(browser)).toEqual(Object.keys(node).filter((name) => !ofFiles.includes(name)));
});
