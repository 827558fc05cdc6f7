export { networkFromLayersModel } from './layers-model';
export type { LayerParameters, LayersModel, LayersModelLayer } from './layers-model';
