# python make.py FOLDER: makes the files that the tests read, with PyTorch 2.15.
import torch, collections, sys
torch.manual_seed(0)
base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
lin = torch.nn.Linear(3, 2)
obj = lambda: collections.OrderedDict([
  ('f64', torch.tensor([1/3, -2e300, float('nan'), float('-inf')], dtype=torch.float64)),
  ('f32', base),
  ('f16', torch.tensor([1/3, 65504, 6e-8, -0.0], dtype=torch.float16)),
  ('bf16', torch.tensor([1/3, 3e38, 1e-40, -1.5], dtype=torch.bfloat16)),
  ('i64', torch.tensor([2**62 + 1, -3])), ('i32', torch.tensor([-2**31, 5], dtype=torch.int32)),
  ('i16', torch.tensor([-7, 300], dtype=torch.int16)), ('i8', torch.tensor([-128, 127], dtype=torch.int8)),
  ('u8', torch.tensor([0, 255], dtype=torch.uint8)), ('bool', torch.tensor([True, False, True])),
  ('scalar', torch.tensor(2.5)), ('empty', torch.zeros(0, 3)),
  ('transposed', base.t()), ('step', base[1::2, ::3]), ('column', base[:, 2]), ('again', base[:]),
  ('parameter', torch.nn.Parameter(torch.tensor([1., 2.]))),
  ('expanded', torch.tensor([[3.], [4.]]).expand(2, 3)),
])
out = sys.argv[1]
torch.save(obj(), out + '/zip.pt')
torch.save(obj(), out + '/legacy.pt', _use_new_zipfile_serialization=False)
torch.save({'epoch': 3, 'name': 'x', 'lr': 1e-3, 'flags': [True, None, (1, 2, 3, 4)], 'big': 2**80,
  'model': {'module.' + k: v for k, v in lin.state_dict().items()},
  'ema': collections.OrderedDict([('initted', torch.tensor(True)), ('step', torch.tensor(7))] +
    [(p + k, v) for p in ('online_model.', 'ema_model.module.') for k, v in lin.state_dict().items()]),
  'optimizer': torch.optim.Adam(lin.parameters()).state_dict(), 'dtype': torch.float32, 'device': torch.device('cuda', 1), 'size': torch.Size([2, 3])}, out + '/training.ckpt', pickle_protocol=4)
torch.save({'u16': torch.tensor([65534], dtype=torch.uint16), 'u32': torch.tensor([2**32-2], dtype=torch.uint32), 'u64': torch.tensor([2**64-2], dtype=torch.uint64)}, out + '/unsigned.pt')
torch.save(lin, out + '/module.pt')
torch.save(torch.tensor([1+2j]), out + '/complex.pt')
